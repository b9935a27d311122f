{{ config(severity='warn') }}

-- More than one result in a thousand without its call means that documents are missing.
with calls as (
    select
        count(*) filter (where status = 'orphan_result') as orphan_results,
        count(*) filter (where status not in ('pending', 'orphan_result')) as answered
    from {{ ref('fct_tool_calls') }}
)

select orphan_results, answered
from calls
where orphan_results * 1000 > answered and orphan_results > 1
