{{ config(materialized='incremental', schema='marts', unique_key='session_key', meta={'refresh_by': 'session_id'}) }}

-- One row per session, with the inputs of its productivity score beside it. The score is a heuristic.
with sessions as (
    select * from {{ ref('dim_sessions') }}
),

operations as (
    select
        session_id,
        count(*) as file_operation_count,
        count(distinct plain_path) filter (where operation_type = 'read') as files_read,
        count(distinct plain_path) filter (where operation_type <> 'read') as files_modified,
        count(distinct plain_path) filter (where is_create) as files_created,
        coalesce(sum(lines_added), 0)::bigint as lines_added,
        coalesce(sum(lines_removed), 0)::bigint as lines_removed
    from {{ ref('fct_file_operations') }}
    where status = 'success'
    group by session_id
),

-- A file is reworked if it is changed again after a shell command that followed a change of it.
steps as (
    select
        calls.session_id,
        calls.tool_sequence,
        files.plain_path,
        count(*) filter (where calls.tool_category = 'shell') over (
            partition by calls.session_id order by calls.tool_sequence rows between unbounded preceding and current row
        ) as shell_calls
    from {{ ref('fct_tool_calls') }} as calls
    left join {{ ref('fct_file_operations') }} as files
        on files.session_id = calls.session_id and files.tool_call_id = calls.tool_call_id
        and files.status = 'success' and files.operation_type <> 'read'
    where calls.status <> 'orphan_result'
),

edited as (
    select session_id, plain_path, max(shell_calls) > min(shell_calls) as is_reworked
    from steps
    where plain_path is not null
    group by session_id, plain_path
),

rework as (
    select session_id, count(*) as files_edited, count(*) filter (where is_reworked) as files_reworked
    from edited
    group by session_id
),

-- A pull request may be known by its address, from the call that made it, or by both.
shipped_work as (
    select
        session_id,
        count(*) filter (where operation = 'commit') as commit_count,
        greatest(
            count(*) filter (where operation = 'pull_request' and tool_call_key is not null),
            count(*) filter (where operation = 'pull_request' and url is not null)
        ) as pull_request_count
    from {{ ref('fct_git_operations') }}
    where status = 'success' and operation in ('commit', 'pull_request')
    group by session_id
),

joined as (
    select
        sessions.*,
        coalesce(operations.file_operation_count, 0) as file_operation_count,
        coalesce(operations.files_read, 0) as files_read,
        coalesce(operations.files_modified, 0) as files_modified,
        coalesce(operations.files_created, 0) as files_created,
        coalesce(operations.lines_added, 0) as lines_added,
        coalesce(operations.lines_removed, 0) as lines_removed,
        coalesce(rework.files_reworked, 0) as files_reworked,
        case when rework.files_edited > 0 then rework.files_reworked / rework.files_edited end as rework_rate,
        coalesce(shipped_work.commit_count, 0) as commit_count,
        coalesce(shipped_work.pull_request_count, 0) as pull_request_count
    from sessions
    left join operations on operations.session_id = sessions.session_id
    left join rework on rework.session_id = sessions.session_id
    left join shipped_work on shipped_work.session_id = sessions.session_id
),

rated as (
    select
        *,
        commit_count + pull_request_count > 0 as shipped,
        case when active_seconds > 0 then round(message_count * 60 / active_seconds, 3) end as messages_per_active_minute,
        case when active_seconds > 0 then round((lines_added + lines_removed) * 3600 / active_seconds, 1) end as lines_per_active_hour
    from joined
),

final as (
    select
        session_key,
        session_id,
        duration_seconds,
        message_count,
        case
            when tool_call_count > 0 then round(100 * (
                0.40 * coalesce(lines_per_active_hour / (lines_per_active_hour + 300), 0)
                + 0.30 * coalesce(tool_success_rate, 0)
                + 0.20 * (1 - coalesce(rework_rate, 0))
                + 0.10 * shipped::integer
            ))::bigint
        end as productivity_score,

        -- place
        project_id,
        date_key,
        activity_level,
        session_duration_category,
        session_time_of_day,
        primary_task_category,

        -- time
        active_seconds,
        idle_seconds,
        avg_response_time_ms,

        -- messages
        user_message_count,
        assistant_message_count,
        subagent_message_count,
        human_prompt_count,
        turn_count,
        messages_per_active_minute,

        -- tool calls
        tool_call_count,
        unique_tools_used,
        tool_success_count,
        tool_error_count,
        tool_rejected_count,
        tool_success_rate,

        -- files
        file_operation_count,
        files_read,
        files_modified,
        files_created,
        files_reworked,
        lines_added,
        lines_removed,
        lines_per_active_hour,
        rework_rate,
        commit_count,
        pull_request_count,
        shipped,

        -- tokens
        input_tokens,
        output_tokens,
        cache_read_tokens,
        cache_creation_tokens,
        total_tokens,

        -- cost
        cost_usd,
        unpriced_requests
    from rated
)

select * from final
