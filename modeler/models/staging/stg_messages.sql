{{ config(materialized='view', schema='staging') }}

-- One row per prompt, tool-result carrier or other user record, and one per response. A response is written as one
-- record per content block, each with the usage so far; forks, side chains and progress records repeat it.
with records as (
    select *
    from {{ ref('stg_conversations') }}
    where
        is_message
        or (is_nested and (is_user_message or is_assistant_message))
        or (entry_type = 'attachment' and subtype = 'queued_command')
),

-- What queued something in mid-turn: a person, or a task that ended.
queued as (
    select
        documents._key as record_key,
        json_extract_string(documents.attributes, '$.attachment.commandMode') as command_mode
    from {{ source('raw', 'conversations') }} as documents
    where documents.source_type = 'attachment' and documents.subtype = 'queued_command'
),

-- The record that a message belongs to, and the one whose usage is final: the largest output, the latest of equals, and
-- a progress record only where the agent's own file lacks the response.
groups as (
    select
        response_key,
        arg_min(record_key, owner_order) as owner_key,
        arg_max(
            record_key,
            {
                'own': not is_nested,
                'output_tokens': coalesce(output_tokens, -1),
                'at': effective_timestamp,
                'record_number': record_number,
                'owner': -owner_order
            }
        ) filter (
            where coalesce(input_tokens, output_tokens, cache_read_tokens, cache_creation_tokens) is not null
        ) as usage_key,
        coalesce(max(effective_timestamp) filter (where not is_nested), max(effective_timestamp)) as completed_at,
        count(*) as record_count,
        bool_or(is_api_error) as has_api_error,
        arg_max(stop_reason, {'at': effective_timestamp, 'record_number': record_number, 'owner': -owner_order}) as stop_reason
    from records
    group by response_key
),

-- The union of the distinct blocks: a copied record does not count twice.
blocks as (
    select
        records.response_key,
        content_blocks.block_type,
        case
            when content_blocks.block_type in ('text', 'thinking') then hash(content_blocks.text)
            when content_blocks.tool_use_id is not null then hash(content_blocks.tool_use_id)
            else hash(content_blocks.char_len, content_blocks.block_index)
        end as identity,
        max(content_blocks.char_len) as char_len,
        max(content_blocks.clean_length) as clean_length,
        max(content_blocks.code_block_count) as code_block_count,
        max(content_blocks.code_languages) as code_languages,
        bool_or(content_blocks.block_type = 'text' and contains(content_blocks.text, 'http')) as has_url,
        bool_or(content_blocks.block_type = 'text' and contains(content_blocks.text, '?')) as is_question,
        min(content_blocks.block_index) as block_index,
        max(case when content_blocks.block_type = 'text' and records.entry_type in ('user', 'attachment') then content_blocks.text end) as user_text
    from {{ source('raw', 'content_blocks') }} as content_blocks
    join records on records.record_key = content_blocks._key
    group by all
),

contents as (
    select
        response_key,
        count(*) filter (where block_type = 'text') as text_block_count,
        count(*) filter (where block_type = 'thinking') as thinking_block_count,
        count(*) filter (where block_type = 'tool_use') as tool_use_count,
        count(*) filter (where block_type = 'tool_result') as tool_result_count,
        count(*) filter (where block_type in ('image', 'document')) as attachment_count,
        coalesce(sum(clean_length) filter (where block_type = 'text'), 0)::bigint as text_length,
        coalesce(sum(char_len) filter (where block_type = 'thinking'), 0)::bigint as thinking_length,
        coalesce(sum(char_len) filter (where block_type = 'tool_use'), 0)::bigint as tool_input_length,
        coalesce(sum(code_block_count) filter (where block_type = 'text'), 0)::bigint as code_block_count,
        array_to_string(list_sort(list_distinct(flatten(
            list(string_split(code_languages, ',')) filter (where block_type = 'text' and code_languages is not null)
        ))), ',') as code_languages,
        bool_or(has_url) as has_url,
        bool_or(is_question) as is_question
    from blocks
    group by response_key
),

-- What tells the kinds of user records apart. A reminder that nothing ends is what a person wrote about one.
user_texts as (
    select
        response_key,
        trim(
            regexp_replace(
                string_agg(user_text, chr(10) order by block_index),
                '(?s)<system-reminder>.*?</system-reminder>', '', 'g'
            ),
            e' \n\r\t'
        ) as user_text
    from blocks
    where user_text is not null
    group by response_key
),

joined as (
    select
        -- ids
        groups.response_key as message_id,
        owners.record_key,
        owners.session_id,
        owners.uuid,
        owners.request_id,
        owners.agent_id,
        owners.prompt_id,

        -- what it is
        case when owners.is_assistant_message or owners.entry_type = 'assistant' then 'assistant' else 'user' end as role,
        case
            when owners.is_assistant_message or owners.entry_type = 'assistant' then 'response'
            when coalesce(contents.tool_result_count, 0) > 0 then 'tool_result'
            when owners.is_compact_summary
                or starts_with(user_texts.user_text, 'This session is being continued from a previous conversation')
                then 'compact_summary'
            when owners.is_meta
                or starts_with(user_texts.user_text, '<local-command-caveat>')
                or starts_with(user_texts.user_text, 'Caveat: The messages below were generated by the user while running local commands')
                then 'meta'
            when owners.origin_kind = 'task-notification'
                or queued.command_mode = 'task-notification'
                or starts_with(user_texts.user_text, '<task-notification>')
                then 'task_notification'
            when user_texts.user_text in ('[Request interrupted by user]', '[Request interrupted by user for tool use]') then 'interruption'
            when regexp_matches(user_texts.user_text, '^<(?:local-command|bash)-std(?:out|err)>') then 'local_command_output'
            when starts_with(user_texts.user_text, '<teammate-message') then 'teammate'
            when owners.is_sidechain then 'agent_prompt'
            when owners.subtype = 'queued_command' then 'queued_command'
            when starts_with(user_texts.user_text, '<bash-input>') then 'bash'
            when regexp_matches(user_texts.user_text, '^<command-(?:name|message)>') then 'slash_command'
            when coalesce(user_texts.user_text, '') <> '' or coalesce(contents.attachment_count, 0) > 0 then 'prompt'
            when coalesce(contents.text_block_count, 0) > 0 then 'reminder'
            else 'empty'
        end as message_kind,
        owners.is_sidechain,
        owners.is_nested,
        -- An error that the model used tokens for was billed, so it is a response like any other.
        groups.has_api_error
            and coalesce(usages.input_tokens, 0) + coalesce(usages.output_tokens, 0)
            + coalesce(usages.cache_read_tokens, 0) + coalesce(usages.cache_creation_tokens, 0) = 0 as is_api_error,

        -- time and order
        owners.effective_timestamp,
        owners.timestamp_source,
        groups.completed_at,
        owners.record_number,
        owners.owner_order,
        groups.record_count,

        -- envelope
        owners.cwd,
        owners.git_branch,
        owners.cli_version,
        owners.permission_mode,
        owners.team_name,

        -- content
        user_texts.user_text,
        coalesce(contents.text_block_count, 0) as text_block_count,
        coalesce(contents.thinking_block_count, 0) as thinking_block_count,
        coalesce(contents.tool_use_count, 0) as tool_use_count,
        coalesce(contents.tool_result_count, 0) as tool_result_count,
        coalesce(contents.attachment_count, 0) as attachment_count,
        coalesce(contents.text_length, 0) as text_length,
        coalesce(contents.thinking_length, 0) as thinking_length,
        coalesce(contents.tool_input_length, 0) as tool_input_length,
        coalesce(contents.code_block_count, 0) as code_block_count,
        contents.code_languages,
        coalesce(contents.has_url, false) as has_url,
        coalesce(contents.is_question, false) as is_question,

        -- usage
        groups.usage_key is not null as has_usage,
        coalesce(usages.model, owners.model) as model,
        groups.stop_reason,
        coalesce(usages.effort, owners.effort) as effort,
        coalesce(usages.input_tokens, 0) as input_tokens,
        coalesce(usages.output_tokens, 0) as output_tokens,
        coalesce(usages.cache_read_tokens, 0) as cache_read_tokens,
        coalesce(usages.cache_creation_tokens, 0) as cache_creation_tokens,
        usages.cache_creation_5m_tokens,
        usages.cache_creation_1h_tokens,
        coalesce(usages.web_search_requests, 0) as web_search_requests,
        coalesce(usages.web_fetch_requests, 0) as web_fetch_requests,
        usages.speed,
        usages.inference_geo,
        usages.service_tier
    from groups
    join records as owners on owners.record_key = groups.owner_key
    -- What the CLI makes up itself used nothing.
    left join records as usages on usages.record_key = groups.usage_key and usages.model is distinct from '<synthetic>'
    left join contents on contents.response_key = groups.response_key
    left join user_texts on user_texts.response_key = groups.response_key
    left join queued on queued.record_key = groups.owner_key
),

final as (
    select
        * exclude (user_text) replace (
            case when message_kind = 'response' and is_api_error then 'api_error' else message_kind end as message_kind
        ),
        case when message_kind in ('prompt', 'queued_command', 'bash', 'slash_command') then coalesce(user_text, '') end as prompt_text
    from joined
)

select * from final
