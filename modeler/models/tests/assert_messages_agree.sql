-- A message counts once in its session, its project, its day and its hour.
with messages as (
    select count(*) as messages
    from {{ ref('fct_messages') }}
    where role = 'user' or content_length > 0
),

sums as (
    select 'dim_sessions' as model, coalesce(sum(message_count), 0) as messages from {{ ref('dim_sessions') }}
    union all
    select 'dim_projects', coalesce(sum(total_messages), 0) from {{ ref('dim_projects') }}
    union all
    select 'agg_daily_summary', coalesce(sum(messages), 0) from {{ ref('agg_daily_summary') }}
    union all
    select 'agg_hourly_activity', coalesce(sum(messages), 0) from {{ ref('agg_hourly_activity') }}
    union all
    select 'agg_session_metrics', coalesce(sum(message_count), 0) from {{ ref('agg_session_metrics') }}
)

select sums.model, sums.messages, messages.messages as expected
from sums
cross join messages
where sums.messages <> messages.messages
