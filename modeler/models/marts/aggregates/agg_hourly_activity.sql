{{ config(materialized='incremental', schema='marts', unique_key=['date_key', 'hour_of_day'], meta={'refresh_by': 'date_key'}) }}

-- One row per day and hour with activity, in the report time zone.
with activity as (
    select
        date_key,
        hour_of_day,
        day_of_week,
        session_id,
        (role = 'user' or content_length > 0)::bigint as messages,
        (role = 'user')::bigint as user_messages,
        0 as tool_calls,
        0 as tool_errors,
        0 as api_requests,
        0 as total_tokens,
        0::decimal(18, 9) as cost_usd,
        0 as unpriced_requests
    from {{ ref('fct_messages') }}
    union all
    select date_key, hour_of_day, day_of_week, session_id, 0, 0, 1, (status in ('error', 'timeout'))::bigint, 0, 0, 0, 0
    from {{ ref('fct_tool_calls') }}
    where status <> 'orphan_result'
    union all
    select date_key, hour_of_day, day_of_week, session_id, 0, 0, 0, 0, (not is_api_error)::bigint, total_tokens, coalesce(cost_usd, 0), (not is_priced)::bigint
    from {{ ref('fct_api_requests') }}
),

final as (
    select
        date_key,
        hour_of_day,
        min(day_of_week) as day_of_week,
        sum(messages + tool_calls)::bigint as total_activity,
        sum(messages)::bigint as messages,
        sum(tool_calls)::bigint as tool_calls,
        sum(total_tokens)::bigint as total_tokens,
        count(distinct session_id) filter (where session_id <> '') as sessions,
        sum(user_messages)::bigint as user_messages,
        sum(tool_errors)::bigint as tool_errors,
        sum(api_requests)::bigint as api_requests,
        sum(cost_usd) as cost_usd,
        sum(unpriced_requests)::bigint as unpriced_requests
    from activity
    group by date_key, hour_of_day
)

select * from final
