{{ performance('school', 'school_id') }}
