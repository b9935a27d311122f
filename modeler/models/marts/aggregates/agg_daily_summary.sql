{{ config(materialized='incremental', schema='marts', unique_key='date_key', meta={'refresh_by': 'date_key'}) }}

-- One row per day with activity.
with session_days as (
    select
        date_key,
        count(*) filter (where session_id <> '') as sessions,
        count(*) filter (where session_id <> '' and is_first_day) as sessions_started,
        count(distinct project_id) as active_projects,
        sum(active_ms)::bigint as active_ms,
        sum(wall_ms)::bigint as wall_ms
    from {{ ref('int_session_days') }}
    group by date_key
),

messages as (
    select
        date_key,
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
    group by date_key
),

tool_calls as (
    select
        date_key,
        count(*) filter (where status <> 'orphan_result') as tool_calls,
        count(distinct tool_name) filter (where status <> 'orphan_result') as unique_tools,
        count(*) filter (where status = 'success') as tool_successes,
        count(*) filter (where status in ('error', 'timeout')) as tool_errors,
        count(*) filter (where status = 'rejected') as tool_rejections,
        count(*) filter (where tool_category = 'file_operations' and status <> 'orphan_result') as file_operations,
        count(*) filter (where tool_category = 'search' and status <> 'orphan_result') as search_operations,
        count(*) filter (where tool_category = 'shell' and status <> 'orphan_result') as shell_operations
    from {{ ref('fct_tool_calls') }}
    group by date_key
),

requests as (
    select
        date_key,
        count(*) filter (where not is_api_error) as api_requests,
        sum(input_tokens)::bigint as input_tokens,
        sum(output_tokens)::bigint as output_tokens,
        sum(cache_read_tokens)::bigint as cache_read_tokens,
        sum(cache_creation_tokens)::bigint as cache_creation_tokens,
        sum(total_tokens)::bigint as total_tokens,
        sum(web_search_requests)::bigint as web_search_requests,
        count(*) filter (where output_is_lower_bound) as lower_bound_requests,
        sum(cost_usd) as cost_usd,
        count(*) filter (where not is_priced) as unpriced_requests,
        count(*) filter (where is_incomplete) as incomplete_requests
    from {{ ref('fct_api_requests') }}
    group by date_key
),

code_changes as (
    select * from {{ ref('agg_code_changes') }}
),

days as (
    select date_key from session_days
    union
    select date_key from messages
    union
    select date_key from tool_calls
    union
    select date_key from requests
),

final as (
    select
        days.date_key,
        coalesce(session_days.sessions, 0) as sessions,
        coalesce(messages.messages, 0) as messages,
        coalesce(tool_calls.tool_calls, 0) as tool_calls,
        coalesce(session_days.active_ms, 0) // 1000 as duration_seconds,
        coalesce(session_days.wall_ms, 0) // 1000 as wall_seconds,
        coalesce(session_days.sessions_started, 0) as sessions_started,
        coalesce(session_days.active_projects, 0) as active_projects,

        -- messages
        coalesce(messages.user_messages, 0) as user_messages,
        coalesce(messages.assistant_messages, 0) as assistant_messages,
        coalesce(messages.subagent_messages, 0) as subagent_messages,
        coalesce(messages.human_prompts, 0) as human_prompts,
        coalesce(messages.responses, 0) as responses,
        coalesce(messages.api_errors, 0) as api_errors,
        coalesce(messages.code_messages, 0) as code_messages,
        coalesce(messages.content_length, 0) as content_length,

        -- tool calls
        coalesce(tool_calls.unique_tools, 0) as unique_tools,
        coalesce(tool_calls.tool_successes, 0) as tool_successes,
        coalesce(tool_calls.tool_errors, 0) as tool_errors,
        coalesce(tool_calls.tool_rejections, 0) as tool_rejections,
        coalesce(tool_calls.file_operations, 0) as file_operations,
        coalesce(tool_calls.search_operations, 0) as search_operations,
        coalesce(tool_calls.shell_operations, 0) as shell_operations,

        -- files
        coalesce(code_changes.read_operations, 0) as read_operations,
        coalesce(code_changes.write_operations, 0) as write_operations,
        coalesce(code_changes.edit_operations + code_changes.multi_edit_operations, 0) as edit_operations,
        coalesce(code_changes.files_modified, 0) as files_modified,
        coalesce(code_changes.files_created, 0) as files_created,
        coalesce(code_changes.lines_added, 0) as lines_added,
        coalesce(code_changes.lines_removed, 0) as lines_removed,

        -- tokens
        coalesce(requests.api_requests, 0) as api_requests,
        coalesce(requests.input_tokens, 0) as input_tokens,
        coalesce(requests.output_tokens, 0) as output_tokens,
        coalesce(requests.cache_read_tokens, 0) as cache_read_tokens,
        coalesce(requests.cache_creation_tokens, 0) as cache_creation_tokens,
        coalesce(requests.total_tokens, 0) as total_tokens,
        coalesce(requests.web_search_requests, 0) as web_search_requests,
        coalesce(requests.lower_bound_requests, 0) as lower_bound_requests,
        coalesce(requests.cost_usd, 0) as cost_usd,
        coalesce(requests.unpriced_requests, 0) as unpriced_requests,
        coalesce(requests.incomplete_requests, 0) as incomplete_requests
    from days
    left join session_days on session_days.date_key = days.date_key
    left join messages on messages.date_key = days.date_key
    left join tool_calls on tool_calls.date_key = days.date_key
    left join requests on requests.date_key = days.date_key
    left join code_changes on code_changes.date_key = days.date_key
)

select * from final
