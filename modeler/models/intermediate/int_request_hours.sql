{{ config(materialized='incremental', schema='intermediate', unique_key='hour_start', meta={'refresh_by': 'date_utc'}) }}

-- One row per hour (UTC) with requests: five-hour blocks are cut from these instead of from all requests.
with hours as (
    select * from {{ ref('int_session_hours') }}
    where api_requests > 0
),

final as (
    select
        hour_start,
        date_utc,
        min(first_request_at) as first_at,
        max(last_request_at) as last_at,
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
    from hours
    group by hour_start, date_utc
)

select * from final
