-- A tool call counts once in its session, its project, its tool, its day and its hour.
with calls as (
    select count(*) as tool_calls
    from {{ ref('fct_tool_calls') }}
    where status <> 'orphan_result'
),

sums as (
    select 'dim_sessions' as model, coalesce(sum(tool_call_count), 0) as tool_calls from {{ ref('dim_sessions') }}
    union all
    select 'dim_projects', coalesce(sum(total_tool_calls), 0) from {{ ref('dim_projects') }}
    union all
    select 'dim_tools', coalesce(sum(total_usage), 0) from {{ ref('dim_tools') }}
    union all
    select 'agg_daily_summary', coalesce(sum(tool_calls), 0) from {{ ref('agg_daily_summary') }}
    union all
    select 'agg_hourly_activity', coalesce(sum(tool_calls), 0) from {{ ref('agg_hourly_activity') }}
    union all
    select 'agg_session_metrics', coalesce(sum(tool_call_count), 0) from {{ ref('agg_session_metrics') }}
    union all
    select 'agg_tool_efficiency', coalesce(sum(total_usage), 0) from {{ ref('agg_tool_efficiency') }}
)

select sums.model, sums.tool_calls, calls.tool_calls as expected
from sums
cross join calls
where sums.tool_calls <> calls.tool_calls
