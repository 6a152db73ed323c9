-- Each threshold that a query reads is there, in jurisdiction default or in the chosen one.
with needed (kpi, threshold) as (
    values
    ('publication', 'min_n'),
    ('publication', 'top_coded_rate'),
    ('publication', 'bottom_coded_rate'),
    ('course_load_changes', 'switch_days'),
    ('chronic_absence', 'absent_share'),
    ('chronic_absence', 'minimum_days'),
    ('chronic_absence', 'severe_up_to_rate'),
    ('chronic_absence', 'moderate_up_to_rate'),
    ('chronic_absence', 'at_risk_up_to_rate'),
    ('student_early_warning', 'attendance_at_risk_below'),
    ('student_early_warning', 'attendance_early_warning_below'),
    ('student_early_warning', 'severe_incidents_at_risk_from'),
    ('student_early_warning', 'incidents_at_risk_above'),
    ('student_early_warning', 'incidents_early_warning_above'),
    ('student_early_warning', 'course_at_risk_below'),
    ('student_early_warning', 'course_early_warning_below'),
    ('grade9_on_track', 'minimum_credits'),
    ('grade9_on_track', 'maximum_core_failures'),
    ('student_gpa', 'honors_weight'),
    ('student_gpa', 'ap_weight'),
    ('early_warning_model', 'recent_school_days'),
    ('early_warning_model', 'label_lag_days'),
    ('early_warning_model', 'gpa_at_risk_below'),
    ('early_warning_model', 'gpa_high_performer_from')
),

thresholds as (
    select * from {{ ref('kpi_thresholds') }}
    where jurisdiction in ('default', '{{ var("jurisdiction") }}')
)

select
    'kpi_thresholds' as seed,
    needed.kpi || ', ' || needed.threshold as place,
    'is missing' as problem,
    'add a row with jurisdiction default' as remedy
from needed
left join thresholds
    on needed.kpi = thresholds.kpi and needed.threshold = thresholds.threshold
where thresholds.kpi is null
