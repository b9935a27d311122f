{{ config(materialized='table', schema='marts') }}

-- One row per model, time and size of prompt: what a million tokens of each class cost. A row of one's own stands before
-- the list's for the days that it covers.
with prices as (
    select *, 'list' as origin, 0 as precedence from {{ ref('price_list') }}
    union all
    select *, 'own', 1 from {{ ref('own_prices') }}
),

final as (
    select
        md5(concat_ws(':', origin, model_id, coalesce(effective_from::varchar, ''), prompt_min)) as price_key,
        model_id,
        effective_from,
        effective_to,
        prompt_min,
        input_usd,
        output_usd,
        cache_read_usd,
        cache_write_5m_usd,
        cache_write_1h_usd,
        fast_multiplier,
        us_multiplier,
        batch_multiplier,
        web_search_usd,
        origin,
        precedence,
        source,
        verified_on
    from prices
)

select * from final
