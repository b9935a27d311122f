{{ config(materialized='incremental', schema='marts', unique_key=['date_key', 'hour_of_day'], meta={'refresh_by': 'date_key'}) }}

-- One row per day and hour with activity, in the report time zone.
with hours as (
    select * from {{ ref('int_session_hours') }}
    where records > 0
),

final as (
    select
        date_key,
        hour_of_day,
        dayofweek(date_key) as day_of_week,
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
    from hours
    group by date_key, hour_of_day
)

select * from final
