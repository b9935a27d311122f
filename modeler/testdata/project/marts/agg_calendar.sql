{{ config(unique_key='date_key', meta={'refresh_by': 'date_key'}) }}
select d.date_key, coalesce(a.records, 0) as records, dayname(d.date_key) as day_name
from {{ ref('dim_date') }} as d
left join {{ ref('agg_daily') }} as a on a.date_key = d.date_key
