{{ config(materialized='table', schema='marts') }}

-- One row per five-hour block, over all sessions: it begins with the hour (UTC) of its first request, and the first request
-- five hours later begins the next. Small: made of hours.
with hours as (
    select
        *,
        epoch(hour_start)::bigint // 3600 as hour_number
    from {{ ref('int_request_hours') }}
),

-- The list of blocks grows with each hour, so that years without a rest would cost its square. So each week is walked on
-- its own, five times: for a block of the week before that lasts none to four hours into it.
walked as (
    select
        weeks.week,
        lasting.before,
        list_reduce(
            list_transform(weeks.hours, lambda hour: [hour]),
            lambda begun, hour: case when hour[1] >= begun[-1] + 5 then list_append(begun, hour[1]) else begun end,
            [weeks.week * 168 + lasting.before - 5]
        ) as begun
    from (
        select
            floor(hour_number / 168)::bigint as week,
            list(hour_number order by hour_number) as hours
        from hours
        group by week
    ) as weeks
    cross join (select unnest(range(5)) as before) as lasting
),

-- From week to week, which of the five it is.
chained as (
    select
        unnest(weeks) as week,
        unnest(list_reduce(
            list_transform(range(2, len(weeks) + 1), lambda i: [i]),
            lambda chain, i: list_append(chain, case when weeks[i[1]] = weeks[i[1] - 1] + 1 then lasts[i[1] - 1][chain[-1] + 1] else 0 end),
            [0::bigint]
        )) as before
    from (
        select
            list(week order by week) as weeks,
            list(lasts order by week) as lasts
        from (
            select
                week,
                list(greatest(begun[-1] + 5 - (week + 1) * 168, 0) order by before) as lasts
            from walked
            group by week
        ) as by_week
    ) as listed
),

beginnings as (
    select unnest(walked.begun[2:]) as block_hour
    from walked
    join chained on chained.week = walked.week and chained.before = walked.before
),

placed as (
    select
        hours.*,
        beginnings.block_hour
    from hours
    asof join beginnings on hours.hour_number >= beginnings.block_hour
),

summed as (
    select
        block_hour,
        min(first_at) as first_at,
        max(last_at) as last_at,
        sum(api_requests)::bigint as api_requests,
        sum(input_tokens)::bigint as input_tokens,
        sum(output_tokens)::bigint as output_tokens,
        sum(cache_read_tokens)::bigint as cache_read_tokens,
        sum(cache_creation_tokens)::bigint as cache_creation_tokens,
        sum(total_tokens)::bigint as total_tokens,
        sum(cost_usd) as cost_usd,
        sum(unpriced_requests)::bigint as unpriced_requests,
        sum(unpriced_tokens)::bigint as unpriced_tokens,
        sum(lower_bound_requests)::bigint as lower_bound_requests,
        sum(incomplete_requests)::bigint as incomplete_requests,
        list_sort(list_distinct(flatten(list(models)))) as models
    from placed
    group by block_hour
),

final as (
    select
        make_timestamptz(block_hour * 3600000000) as block_start,
        make_timestamptz((block_hour + 5) * 3600000000) as block_end,
        timezone('{{ var('report_tz', 'UTC') }}', make_timestamptz(block_hour * 3600000000))::date as date_key,
        first_at as first_request_at,
        last_at as last_request_at,
        case
            when lag(last_at) over (order by block_hour) + interval 5 hours < first_at then lag(last_at) over (order by block_hour) + interval 5 hours
        end as gap_start,
        api_requests,
        input_tokens,
        output_tokens,
        cache_read_tokens,
        cache_creation_tokens,
        total_tokens,
        cost_usd,
        unpriced_requests,
        unpriced_tokens,
        lower_bound_requests,
        incomplete_requests,
        models
    from summed
)

select * from final
