-- Each rule of grade point averages that a query reads is there, in jurisdiction default or in the
-- chosen one.
with needed (rule) as (
    values ('retake_policy'), ('repeatable_subjects'),
    ('letters_not_attempted'), ('credits_when_unknown')
),

rules as (
    select * from {{ ref('gpa_rules') }}
    where jurisdiction in ('default', '{{ var("jurisdiction") }}')
)

select
    'gpa_rules' as seed,
    needed.rule as place,
    'is missing' as problem,
    'add a row with jurisdiction default' as remedy
from needed
left join rules on needed.rule = rules.rule
where rules.rule is null
