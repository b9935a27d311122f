{{ config(unique_key=['tool_use_id', 'session_id', 'project_id', 'date_key'], meta={'refresh_by': 'session_id'}, tags=['facts']) }}
select c.*, coalesce(k.category, 'other') as category
from {{ ref('stg_calls') }} as c
left join {{ ref('categories') }} as k on k.tool_name = c.tool_name
