{{ config(materialized='incremental', schema='marts', unique_key='request_key', meta={'refresh_by': 'session_id'}) }}

-- One row per response with usage: what was billed, once, however many records repeat it, and what it costs by the API's
-- prices.
with messages as (
    select
        *,
        list_transform(
            string_split(regexp_extract(cli_version, '^(\d+\.\d+\.\d+)', 1), '.'), lambda part: try_cast(part as integer)::bigint
        ) as cli_version_parts,
        coalesce(model, 'unknown') as model_name,
        -- What was written for an hour costs more; whatever no class is named for was written for five minutes.
        least(coalesce(cache_creation_1h_tokens, 0), cache_creation_tokens) as written_1h_tokens,
        cache_creation_tokens - least(coalesce(cache_creation_1h_tokens, 0), cache_creation_tokens) as written_5m_tokens
    from {{ ref('int_messages_enriched') }}
    where role = 'assistant' and has_usage
),

sessions as (
    select session_id, project_id from {{ ref('int_sessions_computed') }}
),

-- A model's name without what only says where it was reached, in which version, and how.
model_ids as (
    select
        model_name,
        case when starts_with(short_name, 'claude-')
            then regexp_replace(replace(short_name, '.', '-'), '^(claude-(?:opus|sonnet)-4)-0$', '\1')
            else short_name
        end as model_id
    from (
        select
            model_name,
            regexp_replace(
                regexp_replace(lower(trim(model_name)), '^(?:.*/)?(?:(?:[a-z0-9-]+\.)?anthropic\.)?', ''),
                '(?:\[[^\]]*\]|@[a-z0-9-]+|-v\d+(?::\d+)*|-\d{8}|-latest|-fast)+$', ''
            ) as short_name
        from (select distinct model_name from messages) as names
    ) as shortened
),

-- The price of each request: one's own before the list's, then the largest size of prompt that it reaches.
prices as (
    select
        messages.message_id,
        arg_max(prices, {'precedence': prices.precedence, 'prompt_min': prices.prompt_min}) as price
    from messages
    join model_ids on model_ids.model_name = messages.model_name
    join {{ ref('dim_model_prices') }} as prices
        on prices.model_id = model_ids.model_id
        and messages.date_utc >= coalesce(prices.effective_from, date '0001-01-01')
        and messages.date_utc < coalesce(prices.effective_to, date '9999-12-31')
        and messages.input_tokens + messages.cache_read_tokens + messages.cache_creation_tokens >= prices.prompt_min
    where not messages.is_api_error
    group by messages.message_id
),

-- Exact: the sum over the classes of tokens is rounded once, to nine decimals.
costs as (
    select
        messages.message_id,
        prices.price.origin,
        try_cast(
            (
                messages.input_tokens::decimal(38, 0) * (prices.price.input_usd * 0.000001::decimal(7, 6))
                + messages.output_tokens::decimal(38, 0) * (prices.price.output_usd * 0.000001::decimal(7, 6))
                + messages.cache_read_tokens::decimal(38, 0) * (prices.price.cache_read_usd * 0.000001::decimal(7, 6))
                + messages.written_5m_tokens::decimal(38, 0) * (prices.price.cache_write_5m_usd * 0.000001::decimal(7, 6))
                + messages.written_1h_tokens::decimal(38, 0) * (prices.price.cache_write_1h_usd * 0.000001::decimal(7, 6))
            )
            * (
                case
                    when messages.speed = 'fast' or regexp_matches(messages.model_name, '(?i)-fast(?:\[|@|$)')
                        then prices.price.fast_multiplier
                    else 1::decimal(6, 3)
                end
                * case when messages.inference_geo = 'us' then prices.price.us_multiplier else 1::decimal(6, 3) end
                * case when messages.service_tier = 'batch' then prices.price.batch_multiplier else 1::decimal(6, 3) end
            )
            + messages.web_search_requests::decimal(38, 0) * prices.price.web_search_usd
            as decimal(18, 9)
        ) as cost_usd
    from messages
    join prices on prices.message_id = messages.message_id
),

final as (
    select
        md5(messages.message_id) as request_key,
        md5(messages.session_id) as session_key,
        messages.date_key,
        sessions.project_id,
        messages.model,
        messages.effective_timestamp as created_at,

        -- ids
        messages.message_id,
        messages.session_id,
        messages.request_id,
        messages.agent_id,
        md5(model_ids.model_id) as model_key,
        model_ids.model_id,

        -- what it is
        messages.is_sidechain,
        messages.is_nested as is_from_progress,
        messages.is_api_error,
        messages.turn_number,
        messages.task_category,
        messages.stop_reason,
        messages.speed,
        messages.inference_geo,
        messages.service_tier,
        messages.effort,

        -- tokens
        messages.input_tokens,
        messages.output_tokens,
        messages.cache_read_tokens,
        messages.cache_creation_tokens,
        messages.written_5m_tokens as cache_creation_5m_tokens,
        messages.written_1h_tokens as cache_creation_1h_tokens,
        messages.input_tokens + messages.cache_read_tokens + messages.cache_creation_tokens as prompt_tokens,
        messages.input_tokens + messages.output_tokens + messages.cache_read_tokens + messages.cache_creation_tokens as total_tokens,
        messages.web_search_requests,
        messages.web_fetch_requests,

        -- cost; an API error is not billed, a model without a price has none
        case when messages.is_api_error then 0::decimal(18, 9) else costs.cost_usd end as cost_usd,
        messages.is_api_error or costs.cost_usd is not null as is_priced,
        case
            when messages.is_api_error then 'not_billed'
            when costs.cost_usd is null then 'unpriced'
            when costs.origin = 'own' then 'own_prices'
            else 'price_list'
        end as cost_source,

        -- confidence
        coalesce(
            not messages.is_api_error
            and messages.cli_version_parts[1] = 2
            and messages.cli_version_parts[2] = 1
            and messages.cli_version_parts[3] between 7 and 50,
            false
        ) as output_is_lower_bound,
        not messages.is_api_error and (
            messages.is_nested
            or coalesce(
                messages.stop_reason is null
                and messages.cli_version_parts[1] * 1000000 + messages.cli_version_parts[2] * 1000 + messages.cli_version_parts[3] >= 2001097,
                false
            )
        ) as is_incomplete,

        -- time
        messages.date_utc,
        messages.hour_of_day,
        messages.day_of_week,

        -- envelope
        messages.cwd,
        messages.git_branch,
        messages.cli_version
    from messages
    join sessions on sessions.session_id = messages.session_id
    join model_ids on model_ids.model_name = messages.model_name
    left join costs on costs.message_id = messages.message_id
)

select * from final
