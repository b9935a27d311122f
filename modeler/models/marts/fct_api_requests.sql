{{ config(materialized='incremental', schema='marts', unique_key='request_key', meta={'refresh_by': 'session_id'}) }}

-- One row per response with usage: what was billed, once, however many records repeat it.
with messages as (
    select
        *,
        string_split(regexp_extract(cli_version, '^(\d+\.\d+\.\d+)', 1), '.') as cli_version_parts
    from {{ ref('int_messages_enriched') }}
    where role = 'assistant' and has_usage
),

sessions as (
    select session_id, project_id from {{ ref('int_sessions_computed') }}
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
        messages.cache_creation_5m_tokens,
        messages.cache_creation_1h_tokens,
        messages.input_tokens + messages.cache_read_tokens + messages.cache_creation_tokens as prompt_tokens,
        messages.input_tokens + messages.output_tokens + messages.cache_read_tokens + messages.cache_creation_tokens as total_tokens,
        messages.web_search_requests,
        messages.web_fetch_requests,
        coalesce(
            not messages.is_api_error
            and try_cast(messages.cli_version_parts[1] as bigint) = 2
            and try_cast(messages.cli_version_parts[2] as bigint) = 1
            and try_cast(messages.cli_version_parts[3] as bigint) between 7 and 50,
            false
        ) as output_is_lower_bound,

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
)

select * from final
