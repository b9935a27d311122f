-- What the file operations that succeeded add up to is what sessions and days add up to.
with operations as (
    select coalesce(sum(lines_added), 0) as lines_added, coalesce(sum(lines_removed), 0) as lines_removed
    from {{ ref('fct_file_operations') }}
    where status = 'success'
),

sums as (
    select 'agg_code_changes' as model, coalesce(sum(lines_added), 0) as lines_added, coalesce(sum(lines_removed), 0) as lines_removed
    from {{ ref('agg_code_changes') }}
    union all
    select 'agg_session_metrics', coalesce(sum(lines_added), 0), coalesce(sum(lines_removed), 0) from {{ ref('agg_session_metrics') }}
    union all
    select 'agg_daily_summary', coalesce(sum(lines_added), 0), coalesce(sum(lines_removed), 0) from {{ ref('agg_daily_summary') }}
)

select sums.model, sums.lines_added, sums.lines_removed
from sums
cross join operations
where sums.lines_added <> operations.lines_added or sums.lines_removed <> operations.lines_removed
