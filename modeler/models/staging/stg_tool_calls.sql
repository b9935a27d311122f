{{ config(materialized='view', schema='staging') }}

-- One row per tool call (tool_use id), with its result beside it; a result without its call is a row of its own.
with records as (
    select * from {{ ref('stg_conversations') }}
),

blocks as (
    select
        content_blocks.block_type,
        content_blocks.block_index,
        coalesce(content_blocks.tool_use_id, content_blocks._id || ':' || content_blocks.block_index) as tool_call_id,
        content_blocks.tool_use_id,
        content_blocks.tool_name,
        content_blocks.char_len,
        content_blocks.file_path,
        content_blocks.command,
        content_blocks.input_lines_added,
        content_blocks.input_lines_removed,
        content_blocks.is_error,
        -- Only a failure, or the mark of an interruption, is read as text: a file that was read may say anything.
        case
            when content_blocks.is_error or starts_with(content_blocks.result_text, '[Request interrupted')
                then left(content_blocks.result_text, 2000)
        end as error_text,
        records.record_key,
        records.owner_order
    from {{ source('raw', 'content_blocks') }} as content_blocks
    join records on records.record_key = content_blocks._key
    where content_blocks.block_type in ('tool_use', 'tool_result')
),

uses as (
    select *
    from blocks
    where block_type = 'tool_use'
    qualify row_number() over (partition by tool_call_id order by owner_order, block_index) = 1
),

results as (
    select
        *,
        -- Beside several results it is not known whose file toolUseResult speaks of.
        count(*) over (partition by record_key) = 1 as is_only_result
    from blocks
    where block_type = 'tool_result'
    qualify row_number() over (partition by tool_call_id order by owner_order, block_index) = 1
),

-- What progress records say of a call while it runs.
progress as (
    select
        source_tool_use_id as tool_call_id,
        max(progress_elapsed_ms) filter (where subtype = 'mcp_progress') as mcp_elapsed_ms,
        max(progress_elapsed_ms) filter (where subtype = 'bash_progress') as observed_running_ms
    from records
    where progress_elapsed_ms is not null and source_tool_use_id is not null
    group by source_tool_use_id
),

final as (
    select
        -- ids
        coalesce(uses.tool_call_id, results.tool_call_id) as tool_call_id,
        coalesce(uses.tool_use_id, results.tool_use_id) as tool_use_id,
        owners.session_id,
        owners.record_key,
        owners.response_key as message_id,
        owners.agent_id,

        -- the call
        coalesce(uses.tool_name, 'unknown') as tool_name,
        uses.tool_call_id is not null as is_invocation,
        results.tool_call_id is not null as is_result,
        owners.is_sidechain,
        owners.is_nested,
        owners.model,
        owners.cwd,
        owners.git_branch,
        owners.cli_version,
        coalesce(uses.char_len, 0) as input_length,
        uses.file_path as input_file_path,
        uses.command,
        uses.input_lines_added,
        uses.input_lines_removed,
        coalesce(uses.block_index, results.block_index) as block_index,

        -- the result
        coalesce(results.is_error, false) as is_error,
        results.error_text,
        results.char_len as result_length,
        answers.result_text,
        answers.tool_denial_kind,
        coalesce(answers.result_interrupted, false) as result_interrupted,
        answers.result_timed_out_ms,
        answers.result_duration_ms,
        answers.result_background_id,
        answers.result_status,
        answers.result_agent_id,
        answers.result_agent_type,
        case when results.is_only_result then answers.result_file_path end as result_file_path,
        case when results.is_only_result then answers.result_type end as result_type,
        case when results.is_only_result then answers.result_lines_added end as result_lines_added,
        case when results.is_only_result then answers.result_lines_removed end as result_lines_removed,
        coalesce(results.is_only_result and answers.result_user_modified, false) as result_user_modified,
        progress.mcp_elapsed_ms,
        progress.observed_running_ms,

        -- time and order
        owners.record_number,
        owners.effective_timestamp,
        case when uses.tool_call_id is not null and owners.timestamp_source = 'timestamp' then owners.effective_timestamp end as called_at,
        case when answers.timestamp_source = 'timestamp' then answers.effective_timestamp end as answered_at
    from uses
    full join results on results.tool_call_id = uses.tool_call_id
    join records as owners on owners.record_key = coalesce(uses.record_key, results.record_key)
    left join records as answers on answers.record_key = results.record_key
    left join progress on progress.tool_call_id = uses.tool_call_id
)

select * from final
