{{ config(materialized='incremental', schema='marts', unique_key='tool_call_key', meta={'refresh_by': 'session_id'}) }}

-- One row per tool call, with its outcome; results without a call stand apart as 'orphan_result'.
with calls as (
    select * from {{ ref('int_tool_usage') }}
),

sessions as (
    select session_id, project_id from {{ ref('int_sessions_computed') }}
),

final as (
    select
        md5(calls.tool_call_id) as tool_call_key,
        md5(calls.session_id) as session_key,
        md5(calls.tool_name) as tool_key,
        calls.date_key,
        calls.execution_time_ms,
        calls.status,

        -- ids
        calls.tool_call_id,
        calls.tool_use_id,
        md5(calls.message_id) as message_key,
        calls.session_id,
        sessions.project_id,
        calls.agent_id,

        -- the call
        calls.tool_name,
        calls.tool_category,
        calls.mcp_server,
        calls.mcp_tool,
        calls.is_sidechain,
        calls.model,
        calls.permission_mode,
        calls.turn_number,
        calls.task_category,
        row_number() over (partition by calls.session_id order by calls.record_number, calls.block_index, calls.tool_call_id) as tool_sequence,
        calls.input_length,
        calls.result_length,

        -- outcome
        calls.error_type,
        calls.exit_code,
        calls.is_background,
        calls.is_async,
        calls.subagent_id,
        calls.subagent_type,

        -- time
        calls.execution_time_source,
        calls.may_include_user_wait,
        calls.observed_running_ms,
        calls.effective_timestamp as created_at,
        calls.answered_at as completed_at,
        calls.date_utc,
        calls.hour_of_day,
        calls.day_of_week,

        -- envelope
        calls.cwd,
        calls.git_branch,
        calls.cli_version
    from calls
    join sessions on sessions.session_id = calls.session_id
)

select * from final
