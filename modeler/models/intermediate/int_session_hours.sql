{{ config(materialized='incremental', schema='intermediate', unique_key=['session_id', 'hour_start', 'date_key', 'hour_of_day', 'is_api_error'], meta={'refresh_by': 'session_id'}) }}

-- One row per session and hour; what is told by hour or day is summed over these instead of over all messages, calls and
-- requests.
with messages as (
    select
        session_id,
        date_trunc('hour', timezone('UTC', created_at)) as hour_start,
        date_key,
        hour_of_day,
        is_api_error,
        count(*) as records,
        count(*) filter (where role = 'user' or content_length > 0) as messages,
        count(*) filter (where role = 'user') as user_messages,
        count(*) filter (where role = 'assistant' and content_length > 0 and not is_sidechain) as assistant_messages,
        count(*) filter (where role = 'assistant' and content_length > 0 and is_sidechain) as subagent_messages,
        count(*) filter (where message_kind in ('prompt', 'queued_command')) as human_prompts,
        count(*) filter (where message_kind = 'response') as responses,
        count(*) filter (where is_api_error) as api_errors,
        count(*) filter (where has_code_block) as code_messages,
        sum(content_length)::bigint as content_length
    from {{ ref('fct_messages') }}
    group by all
),

tool_calls as (
    select
        session_id,
        date_trunc('hour', timezone('UTC', created_at)) as hour_start,
        date_key,
        hour_of_day,
        false as is_api_error,
        count(*) filter (where status <> 'orphan_result') as records,
        count(*) filter (where status <> 'orphan_result') as tool_calls,
        count(*) filter (where status = 'success') as tool_successes,
        count(*) filter (where status in ('error', 'timeout')) as tool_errors,
        count(*) filter (where status = 'rejected') as tool_rejections,
        count(*) filter (where tool_category = 'file_operations' and status <> 'orphan_result') as file_operations,
        count(*) filter (where tool_category = 'search' and status <> 'orphan_result') as search_operations,
        count(*) filter (where tool_category = 'shell' and status <> 'orphan_result') as shell_operations,
        list(distinct tool_name) filter (where status <> 'orphan_result') as tools
    from {{ ref('fct_tool_calls') }}
    group by all
),

requests as (
    select
        session_id,
        date_trunc('hour', timezone('UTC', created_at)) as hour_start,
        date_key,
        hour_of_day,
        is_api_error,
        count(*) as records,
        count(*) filter (where not is_api_error) as api_requests,
        min(created_at) as first_request_at,
        max(created_at) as last_request_at,
        sum(input_tokens)::bigint as input_tokens,
        sum(output_tokens)::bigint as output_tokens,
        sum(cache_read_tokens)::bigint as cache_read_tokens,
        sum(cache_creation_tokens)::bigint as cache_creation_tokens,
        sum(total_tokens)::bigint as total_tokens,
        sum(web_search_requests)::bigint as web_search_requests,
        sum(cost_usd) as cost_usd,
        count(*) filter (where not is_priced) as unpriced_requests,
        coalesce(sum(total_tokens) filter (where not is_priced), 0)::bigint as unpriced_tokens,
        count(*) filter (where output_is_lower_bound) as lower_bound_requests,
        count(*) filter (where is_incomplete) as incomplete_requests,
        list(distinct coalesce(model, 'unknown')) as models
    from {{ ref('fct_api_requests') }}
    group by all
),

parts as (
    select * from messages
    union all by name
    select * from tool_calls
    union all by name
    select * from requests
),

final as (
    select
        session_id,
        hour_start,
        hour_start::date as date_utc,
        date_key,
        hour_of_day,
        is_api_error,
        sum(records)::bigint as records,

        -- messages
        coalesce(sum(messages), 0)::bigint as messages,
        coalesce(sum(user_messages), 0)::bigint as user_messages,
        coalesce(sum(assistant_messages), 0)::bigint as assistant_messages,
        coalesce(sum(subagent_messages), 0)::bigint as subagent_messages,
        coalesce(sum(human_prompts), 0)::bigint as human_prompts,
        coalesce(sum(responses), 0)::bigint as responses,
        coalesce(sum(api_errors), 0)::bigint as api_errors,
        coalesce(sum(code_messages), 0)::bigint as code_messages,
        coalesce(sum(content_length), 0)::bigint as content_length,

        -- tool calls
        coalesce(sum(tool_calls), 0)::bigint as tool_calls,
        coalesce(sum(tool_successes), 0)::bigint as tool_successes,
        coalesce(sum(tool_errors), 0)::bigint as tool_errors,
        coalesce(sum(tool_rejections), 0)::bigint as tool_rejections,
        coalesce(sum(file_operations), 0)::bigint as file_operations,
        coalesce(sum(search_operations), 0)::bigint as search_operations,
        coalesce(sum(shell_operations), 0)::bigint as shell_operations,
        coalesce(list_sort(any_value(tools)), []) as tools,

        -- requests
        coalesce(sum(api_requests), 0)::bigint as api_requests,
        min(first_request_at) as first_request_at,
        max(last_request_at) as last_request_at,
        coalesce(sum(input_tokens), 0)::bigint as input_tokens,
        coalesce(sum(output_tokens), 0)::bigint as output_tokens,
        coalesce(sum(cache_read_tokens), 0)::bigint as cache_read_tokens,
        coalesce(sum(cache_creation_tokens), 0)::bigint as cache_creation_tokens,
        coalesce(sum(total_tokens), 0)::bigint as total_tokens,
        coalesce(sum(web_search_requests), 0)::bigint as web_search_requests,
        coalesce(sum(cost_usd), 0)::decimal(38, 9) as cost_usd,
        coalesce(sum(unpriced_requests), 0)::bigint as unpriced_requests,
        coalesce(sum(unpriced_tokens), 0)::bigint as unpriced_tokens,
        coalesce(sum(lower_bound_requests), 0)::bigint as lower_bound_requests,
        coalesce(sum(incomplete_requests), 0)::bigint as incomplete_requests,
        coalesce(list_sort(any_value(models)), []) as models
    from parts
    group by session_id, hour_start, date_key, hour_of_day, is_api_error
)

select * from final
