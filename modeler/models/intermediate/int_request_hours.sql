{{ config(materialized='incremental', schema='intermediate', unique_key='hour_start', meta={'refresh_by': 'date_utc'}) }}

-- One row per hour (UTC) with requests: five-hour blocks are cut from these instead of from all requests.
with requests as (
    select * from {{ ref('fct_api_requests') }}
    where not is_api_error
),

final as (
    select
        date_trunc('hour', timezone('UTC', created_at)) as hour_start,
        date_utc,
        min(created_at) as first_at,
        max(created_at) as last_at,
        count(*) as api_requests,
        sum(input_tokens)::bigint as input_tokens,
        sum(output_tokens)::bigint as output_tokens,
        sum(cache_read_tokens)::bigint as cache_read_tokens,
        sum(cache_creation_tokens)::bigint as cache_creation_tokens,
        sum(total_tokens)::bigint as total_tokens,
        coalesce(sum(cost_usd), 0) as cost_usd,
        count(*) filter (where not is_priced) as unpriced_requests,
        coalesce(sum(total_tokens) filter (where not is_priced), 0)::bigint as unpriced_tokens,
        count(*) filter (where output_is_lower_bound) as lower_bound_requests,
        count(*) filter (where is_incomplete) as incomplete_requests,
        list_sort(list(distinct coalesce(model, 'unknown'))) as models
    from requests
    group by 1, 2
)

select * from final
