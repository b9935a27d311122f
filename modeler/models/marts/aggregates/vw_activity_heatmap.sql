{{ config(materialized='view', schema='marts') }}

-- One row per day of the week and hour, all 168 of them.
with cells as (
    select days.day_of_week, hours.hour_of_day
    from (select unnest(range(7)) as day_of_week) as days
    cross join (select unnest(range(24)) as hour_of_day) as hours
),

totals as (
    select
        day_of_week,
        hour_of_day,
        sum(total_activity)::bigint as total_activity,
        sum(messages)::bigint as messages,
        sum(tool_calls)::bigint as tool_calls,
        sum(total_tokens)::bigint as total_tokens,
        count(*) as active_dates
    from {{ ref('agg_hourly_activity') }}
    group by day_of_week, hour_of_day
),

final as (
    select
        cells.day_of_week,
        cells.hour_of_day,
        ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'][cells.day_of_week + 1] as day_name,
        coalesce(totals.total_activity, 0) as total_activity,
        coalesce(totals.messages, 0) as messages,
        coalesce(totals.tool_calls, 0) as tool_calls,
        coalesce(totals.total_tokens, 0) as total_tokens,
        coalesce(totals.active_dates, 0) as active_dates
    from cells
    left join totals on totals.day_of_week = cells.day_of_week and totals.hour_of_day = cells.hour_of_day
)

select * from final
