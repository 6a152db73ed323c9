{{ performance('subject', 'subject_area') }}
