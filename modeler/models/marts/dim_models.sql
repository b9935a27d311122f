{{ config(materialized='incremental', schema='marts', unique_key='model_key', meta={'refresh_by': 'model_id'}) }}

-- One row per model that ever answered.
with days as (
    select * from {{ ref('agg_session_models') }}
),

totals as (
    select
        model_id,
        arg_max(model, {'requests': api_requests, 'model': model}) as model,
        sum(api_requests)::bigint as api_requests,
        count(distinct session_id) as session_count,
        sum(input_tokens)::bigint as input_tokens,
        sum(output_tokens)::bigint as output_tokens,
        sum(cache_read_tokens)::bigint as cache_read_tokens,
        sum(cache_creation_tokens)::bigint as cache_creation_tokens,
        sum(total_tokens)::bigint as total_tokens,
        sum(cost_usd) as cost_usd,
        sum(unpriced_requests)::bigint as unpriced_requests,
        min(first_at) as first_used_at,
        max(last_at) as last_used_at
    from days
    group by model_id
),

final as (
    select
        md5(totals.model_id) as model_key,
        totals.model_id,
        coalesce(listed.display_name, totals.model) as display_name,
        coalesce(listed.family, 'unknown') as family,
        listed.generation,
        listed.context_window,
        totals.unpriced_requests = 0 as is_priced,

        -- use
        totals.api_requests,
        totals.session_count,
        totals.input_tokens,
        totals.output_tokens,
        totals.cache_read_tokens,
        totals.cache_creation_tokens,
        totals.total_tokens,
        totals.cost_usd,
        totals.unpriced_requests,
        totals.first_used_at,
        totals.last_used_at
    from totals
    left join {{ ref('model_list') }} as listed on listed.model_id = totals.model_id
)

select * from final
