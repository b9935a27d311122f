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

hours as (
    select
        date_key,
        sum(messages)::bigint as messages,
        sum(user_messages)::bigint as user_messages,
        sum(assistant_messages)::bigint as assistant_messages,
        sum(subagent_messages)::bigint as subagent_messages,
        sum(human_prompts)::bigint as human_prompts,
        sum(responses)::bigint as responses,
        sum(api_errors)::bigint as api_errors,
        sum(code_messages)::bigint as code_messages,
        sum(content_length)::bigint as content_length,
        sum(tool_calls)::bigint as tool_calls,
        len(list_distinct(flatten(list(tools)))) as unique_tools,
        sum(tool_successes)::bigint as tool_successes,
        sum(tool_errors)::bigint as tool_errors,
        sum(tool_rejections)::bigint as tool_rejections,
        sum(file_operations)::bigint as file_operations,
        sum(search_operations)::bigint as search_operations,
        sum(shell_operations)::bigint as shell_operations,
        sum(api_requests)::bigint as api_requests,
        sum(input_tokens)::bigint as input_tokens,
        sum(output_tokens)::bigint as output_tokens,
        sum(cache_read_tokens)::bigint as cache_read_tokens,
        sum(cache_creation_tokens)::bigint as cache_creation_tokens,
        sum(total_tokens)::bigint as total_tokens,
        sum(web_search_requests)::bigint as web_search_requests,
        sum(lower_bound_requests)::bigint as lower_bound_requests,
        sum(cost_usd) as cost_usd,
        sum(unpriced_requests)::bigint as unpriced_requests,
        sum(incomplete_requests)::bigint as incomplete_requests
    from {{ ref('int_session_hours') }}
    group by date_key
),

code_changes as (
    select * from {{ ref('agg_code_changes') }}
),

days as (
    select date_key from session_days
    union
    select date_key from hours
),

final as (
    select
        days.date_key,
        coalesce(session_days.sessions, 0) as sessions,
        coalesce(hours.messages, 0) as messages,
        coalesce(hours.tool_calls, 0) as tool_calls,
        coalesce(session_days.active_ms, 0) // 1000 as duration_seconds,
        coalesce(session_days.wall_ms, 0) // 1000 as wall_seconds,
        coalesce(session_days.sessions_started, 0) as sessions_started,
        coalesce(session_days.active_projects, 0) as active_projects,

        -- messages
        coalesce(hours.user_messages, 0) as user_messages,
        coalesce(hours.assistant_messages, 0) as assistant_messages,
        coalesce(hours.subagent_messages, 0) as subagent_messages,
        coalesce(hours.human_prompts, 0) as human_prompts,
        coalesce(hours.responses, 0) as responses,
        coalesce(hours.api_errors, 0) as api_errors,
        coalesce(hours.code_messages, 0) as code_messages,
        coalesce(hours.content_length, 0) as content_length,

        -- tool calls
        coalesce(hours.unique_tools, 0) as unique_tools,
        coalesce(hours.tool_successes, 0) as tool_successes,
        coalesce(hours.tool_errors, 0) as tool_errors,
        coalesce(hours.tool_rejections, 0) as tool_rejections,
        coalesce(hours.file_operations, 0) as file_operations,
        coalesce(hours.search_operations, 0) as search_operations,
        coalesce(hours.shell_operations, 0) as shell_operations,

        -- files
        coalesce(code_changes.read_operations, 0) as read_operations,
        coalesce(code_changes.write_operations, 0) as write_operations,
        coalesce(code_changes.edit_operations + code_changes.multi_edit_operations, 0) as edit_operations,
        coalesce(code_changes.files_modified, 0) as files_modified,
        coalesce(code_changes.files_created, 0) as files_created,
        coalesce(code_changes.lines_added, 0) as lines_added,
        coalesce(code_changes.lines_removed, 0) as lines_removed,

        -- tokens
        coalesce(hours.api_requests, 0) as api_requests,
        coalesce(hours.input_tokens, 0) as input_tokens,
        coalesce(hours.output_tokens, 0) as output_tokens,
        coalesce(hours.cache_read_tokens, 0) as cache_read_tokens,
        coalesce(hours.cache_creation_tokens, 0) as cache_creation_tokens,
        coalesce(hours.total_tokens, 0) as total_tokens,
        coalesce(hours.web_search_requests, 0) as web_search_requests,
        coalesce(hours.lower_bound_requests, 0) as lower_bound_requests,
        coalesce(hours.cost_usd, 0) as cost_usd,
        coalesce(hours.unpriced_requests, 0) as unpriced_requests,
        coalesce(hours.incomplete_requests, 0) as incomplete_requests
    from days
    left join session_days on session_days.date_key = days.date_key
    left join hours on hours.date_key = days.date_key
    left join code_changes on code_changes.date_key = days.date_key
)

select * from final
