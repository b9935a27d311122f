{{ config(materialized='incremental', schema='marts', unique_key='message_key', meta={'refresh_by': 'session_id'}) }}

-- One row per prompt of a person, or response of the model.
with messages as (
    select * from {{ ref('int_messages_enriched') }}
),

sessions as (
    select session_id, project_id from {{ ref('int_sessions_computed') }}
),

final as (
    select
        md5(messages.message_id) as message_key,
        md5(messages.session_id) as session_key,
        messages.date_key,
        sessions.project_id,
        messages.role,
        messages.task_category,
        messages.text_length as content_length,
        messages.message_sequence,
        messages.has_code_block,
        messages.effective_timestamp as created_at,

        -- ids
        messages.message_id,
        messages.session_id,
        messages.request_id,
        messages.agent_id,

        -- what it is
        messages.message_kind,
        messages.is_sidechain,
        messages.is_api_error,
        messages.model,
        messages.stop_reason,
        messages.turn_number,
        messages.turn_type,

        -- time
        messages.completed_at,
        messages.date_utc,
        messages.hour_of_day,
        messages.day_of_week,
        messages.time_of_day,
        messages.day_type,
        case when messages.turn_type = 'response' then messages.milliseconds_since_previous end as response_time_ms,

        -- content
        messages.record_count,
        messages.text_block_count,
        messages.thinking_block_count,
        messages.tool_use_count,
        messages.attachment_count,
        messages.thinking_length,
        messages.tool_input_length,
        messages.code_block_count,
        messages.code_languages,
        messages.has_url,
        messages.is_question,

        -- envelope
        messages.cwd,
        messages.git_branch,
        messages.cli_version
    from messages
    join sessions on sessions.session_id = messages.session_id
)

select * from final
