{#- Bound of Wilson's 95 % score interval for a share of `total`; direction: + above, - below. -#}
{% macro wilson_bound(share, total, direction) -%}
    {%- set z = 1.959964 -%}
    (
        {{ share }} + {{ z * z }}D / (2 * {{ total }})
        {{ direction }} {{ z }}D * sqrt(
            {{ share }} * (1 - {{ share }}) / {{ total }}
            + {{ z * z }}D / (4 * {{ total }} * {{ total }})
        )
    ) / (1 + {{ z * z }}D / {{ total }})
{%- endmacro %}
