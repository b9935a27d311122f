{{ config(materialized='table', schema='marts') }}

-- One row per five-hour block, over all sessions: it begins with the hour (UTC) of its first request, and the first request
-- five hours later begins the next. Small: made of hours.
with hours as (
    select
        *,
        epoch(hour_start)::bigint // 3600 as hour_number
    from {{ ref('int_request_hours') }}
),

-- After five hours without a request, a block begins whatever was before; so each stretch is cut on its own.
stretches as (
    select
        *,
        sum(begins::int) over (order by hour_number rows between unbounded preceding and current row) as stretch
    from (
        select
            *,
            coalesce(hour_number - lag(hour_number) over (order by hour_number) >= 5, true) as begins
        from hours
    ) as marked
),

-- From one block's beginning to the next, along the stretch's hours.
beginnings as (
    select
        stretch,
        unnest(list_reduce(
            list_transform(list(hour_number order by hour_number), lambda hour: [hour]),
            lambda begun, hour: case when hour[1] >= begun[-1] + 5 then list_append(begun, hour[1]) else begun end
        )) as block_hour
    from stretches
    group by stretch
),

placed as (
    select stretches.*, max(beginnings.block_hour) as block_hour
    from stretches
    join beginnings on beginnings.stretch = stretches.stretch and beginnings.block_hour <= stretches.hour_number
    group by all
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
