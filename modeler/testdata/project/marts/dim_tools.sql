{{ config(unique_key='tool_name', meta={'refresh_by': 'tool_name'}) }}
select tool_name, count(distinct tool_use_id) as calls, max(called_at) as last_at
from {{ ref('fct_calls') }}
group by all
