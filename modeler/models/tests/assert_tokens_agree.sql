-- What the requests add up to is what sessions, projects, days, hours, models, shares and blocks add up to; reports leave out
-- rows without requests.
with requests as (
    select coalesce(sum(total_tokens), 0) as total_tokens from {{ ref('fct_api_requests') }}
),

sums as (
    select 'dim_sessions' as model, coalesce(sum(total_tokens), 0) as total_tokens from {{ ref('dim_sessions') }}
    union all
    select 'dim_projects', coalesce(sum(total_tokens), 0) from {{ ref('dim_projects') }}
    union all
    select 'agg_daily_summary', coalesce(sum(total_tokens), 0) from {{ ref('agg_daily_summary') }}
    union all
    select 'agg_hourly_activity', coalesce(sum(total_tokens), 0) from {{ ref('agg_hourly_activity') }}
    union all
    select 'agg_session_metrics', coalesce(sum(total_tokens), 0) from {{ ref('agg_session_metrics') }}
    union all
    select 'agg_session_models', coalesce(sum(total_tokens), 0) from {{ ref('agg_session_models') }} where api_requests > 0
    union all
    select 'fct_cost_attribution', coalesce(sum(total_tokens), 0) from {{ ref('fct_cost_attribution') }}
    union all
    select 'fct_blocks_5h', coalesce(sum(total_tokens), 0) from {{ ref('fct_blocks_5h') }}
)

select sums.model, sums.total_tokens, requests.total_tokens as expected
from sums
cross join requests
where sums.total_tokens <> requests.total_tokens
