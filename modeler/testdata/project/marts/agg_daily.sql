{{ config(unique_key='date_key', meta={'refresh_by': 'date_key'}) }}
with docs as (
    select date_key, count(*) as records, count(distinct session_id) as sessions from {{ ref('fct_docs') }} group by all
),
calls as (
    select date_key, count(*) as calls from {{ ref('fct_calls') }} group by all
)
select date_key, records, sessions, coalesce(calls, 0) as calls
from docs left join calls using (date_key)
