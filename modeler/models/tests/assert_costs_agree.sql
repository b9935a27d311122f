-- What the requests cost is what sessions, projects, models, days, hours, tools, turns, shares and blocks cost.
with requests as (
    select coalesce(sum(cost_usd), 0) as cost_usd from {{ ref('fct_api_requests') }}
),

sums as (
    select 'dim_sessions' as model, coalesce(sum(cost_usd), 0) as cost_usd from {{ ref('dim_sessions') }}
    union all
    select 'dim_projects', coalesce(sum(cost_usd), 0) from {{ ref('dim_projects') }}
    union all
    select 'dim_models', coalesce(sum(cost_usd), 0) from {{ ref('dim_models') }}
    union all
    select 'agg_daily_summary', coalesce(sum(cost_usd), 0) from {{ ref('agg_daily_summary') }}
    union all
    select 'agg_hourly_activity', coalesce(sum(cost_usd), 0) from {{ ref('agg_hourly_activity') }}
    union all
    select 'agg_session_metrics', coalesce(sum(cost_usd), 0) from {{ ref('agg_session_metrics') }}
    union all
    select 'dim_tools and answers', coalesce((select sum(cost_usd) from {{ ref('dim_tools') }}), 0)
        + coalesce((select sum(cost_usd) from {{ ref('fct_cost_attribution') }} where tool_call_key is null), 0)
    union all
    select 'fct_turns', coalesce(sum(cost_usd), 0) from {{ ref('fct_turns') }}
    union all
    select 'fct_cost_attribution', coalesce(sum(cost_usd), 0) from {{ ref('fct_cost_attribution') }}
    union all
    select 'fct_blocks_5h', coalesce(sum(cost_usd), 0) from {{ ref('fct_blocks_5h') }}
)

select sums.model, sums.cost_usd, requests.cost_usd as expected
from sums
cross join requests
where sums.cost_usd <> requests.cost_usd
