{{ config(materialized='incremental', schema='marts', unique_key='session_model_key', meta={'refresh_by': 'session_id'}) }}

-- One row per session, day and model: what sessions, projects, models and reports sum up, instead of all requests.
with requests as (
    select
        * replace (
            coalesce(model, 'unknown') || case when speed = 'fast' and not ends_with(coalesce(model, ''), '-fast') then '-fast' else '' end as model
        )
    from {{ ref('fct_api_requests') }}
),

final as (
    select
        md5(concat_ws(':', session_id, date_key, model)) as session_model_key,
        session_id,
        date_key,
        project_id,
        model_id,
        model,
        count(*) filter (where not is_api_error) as api_requests,
        count(*) filter (where is_api_error) as api_errors,
        count(*) filter (where is_sidechain and not is_api_error) as subagent_requests,
        sum(input_tokens)::bigint as input_tokens,
        sum(output_tokens)::bigint as output_tokens,
        sum(cache_read_tokens)::bigint as cache_read_tokens,
        sum(cache_creation_tokens)::bigint as cache_creation_tokens,
        sum(total_tokens)::bigint as total_tokens,
        coalesce(sum(total_tokens) filter (where is_sidechain), 0)::bigint as subagent_tokens,
        sum(web_search_requests)::bigint as web_search_requests,
        coalesce(sum(cost_usd), 0) as cost_usd,
        coalesce(sum(cost_usd) filter (where is_sidechain), 0) as subagent_cost_usd,
        count(*) filter (where not is_priced) as unpriced_requests,
        coalesce(sum(total_tokens) filter (where not is_priced), 0)::bigint as unpriced_tokens,
        count(*) filter (where output_is_lower_bound) as lower_bound_requests,
        count(*) filter (where is_incomplete) as incomplete_requests,
        min(created_at) as first_at,
        max(created_at) as last_at
    from requests
    group by session_id, date_key, project_id, model_id, model
)

select * from final
