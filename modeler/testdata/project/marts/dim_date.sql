{{ config(materialized='table') }}
select unnest(range(min(date_key)::timestamp, max(date_key)::timestamp + interval 1 day, interval 1 day))::date as date_key
from {{ ref('fct_docs') }}
