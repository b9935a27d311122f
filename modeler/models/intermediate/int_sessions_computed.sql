{{ config(materialized='view', schema='intermediate') }}

-- One row per session with activity. Sessions of which only titles or state are known have no start and are left out.
with records as (
    select
        *,
        is_session_record or is_message or is_tool_related or message_role is not null
            or (entry_type = 'attachment' and subtype = 'queued_command') as is_activity
    from {{ ref('stg_conversations') }}
),

messages as (
    select * from {{ ref('int_messages_enriched') }}
),

bounds as (
    select
        session_id,
        coalesce(
            min(effective_timestamp) filter (where is_session_record),
            min(effective_timestamp)
        ) as session_start,
        coalesce(
            max(effective_timestamp) filter (where is_session_record),
            max(effective_timestamp)
        ) as session_end,
        coalesce(arg_min(project_id, record_number) filter (where project_id <> ''), '') as project_id,
        count(*) as record_count,
        count(*) filter (where is_sidechain) as sidechain_record_count,
        list(distinct agent_id) filter (where is_sidechain and agent_id is not null) as seen_agents,
        count(*) filter (where subtype = 'compact_boundary') as compaction_count,
        count(*) filter (where subtype = 'api_error') as api_retry_count,
        arg_min(cwd, record_number) as cwd,
        count(distinct cwd) as cwd_count,
        arg_max(git_branch, record_number) filter (where git_branch <> '') as git_branch,
        count(distinct git_branch) filter (where git_branch <> '') as branch_count,
        arg_max(cli_version, record_number) as cli_version,
        arg_min(entrypoint, record_number) as entrypoint
    from records
    where is_activity
    group by session_id
),

-- Old releases wrote the summaries of other sessions into a new one's file; leafUuid names a record of the right one.
leaves as (
    select documents._key as record_key, json_extract_string(documents.attributes, '$.leafUuid') as leaf_uuid
    from {{ source('raw', 'conversations') }} as documents
    where documents.source_type = 'summary'
),

foreign_summaries as (
    select summaries.record_key
    from records as summaries
    join leaves on leaves.record_key = summaries.record_key
    left join records as targets on targets.session_id = summaries.session_id and targets.uuid = leaves.leaf_uuid
    where leaves.leaf_uuid is not null and targets.uuid is null
),

-- What a session is called: the person's word before the agent's, before the summary's.
titles as (
    select
        session_id,
        arg_max(title, {
            'precedence': case entry_type when 'custom-title' then 4 when 'agent-name' then 3 when 'ai-title' then 2 else 1 end,
            'source_file': source_file,
            'source_offset': source_offset,
            'conversation_id': conversation_id
        }) as title
    from records
    where
        title <> ''
        and entry_type in ('custom-title', 'agent-name', 'ai-title', 'summary')
        and record_key not in (select foreign_summaries.record_key from foreign_summaries)
    group by session_id
),

message_counts as (
    select
        session_id,
        count(*) filter (where role = 'user') as user_message_count,
        count(*) filter (where role = 'assistant' and text_length > 0 and not is_sidechain) as assistant_message_count,
        count(*) filter (where role = 'assistant' and text_length > 0 and is_sidechain) as subagent_message_count,
        count(*) filter (where message_kind in ('prompt', 'queued_command')) as human_prompt_count,
        count(*) filter (where message_kind = 'response') as response_count,
        count(*) filter (where message_kind = 'api_error') as api_error_count,
        count(distinct turn_number) filter (where role = 'assistant' and not is_sidechain and turn_number > 0) as turn_count,
        sum(text_length)::bigint as total_content_length,
        sum(milliseconds_since_previous) filter (where turn_type = 'response')::bigint as response_time_ms,
        count(milliseconds_since_previous) filter (where turn_type = 'response') as response_time_count,
        sum(input_tokens)::bigint as input_tokens,
        sum(output_tokens)::bigint as output_tokens,
        sum(cache_read_tokens)::bigint as cache_read_tokens,
        sum(cache_creation_tokens)::bigint as cache_creation_tokens,
        count(distinct model) filter (where message_kind = 'response') as model_count,
        mode(model order by model) filter (where message_kind = 'response') as primary_model
    from messages
    group by session_id
),

tool_counts as (
    select
        session_id,
        count(*) filter (where status <> 'orphan_result') as tool_call_count,
        count(*) filter (where status <> 'orphan_result' and is_sidechain) as subagent_tool_call_count,
        count(distinct tool_name) filter (where status <> 'orphan_result') as unique_tools_used,
        count(*) filter (where status = 'success') as tool_success_count,
        count(*) filter (where status in ('error', 'timeout')) as tool_error_count,
        count(*) filter (where status = 'rejected') as tool_rejected_count,
        count(*) filter (where status = 'pending') as tool_pending_count,
        count(*) filter (where status = 'orphan_result') as orphan_result_count,
        mode(tool_name order by tool_name) filter (where status <> 'orphan_result') as primary_tool,
        list(distinct subagent_id) filter (where status <> 'orphan_result' and subagent_id is not null) as started_agents
    from {{ ref('int_tool_usage') }}
    group by session_id
),

active as (
    select session_id, sum(active_ms)::bigint as active_ms
    from {{ ref('int_session_activity') }}
    group by session_id
),

-- Categories by the active time of their turns; of equals, the one that came first.
category_times as (
    select session_id, task_category, sum(active_ms)::bigint as active_ms, min(turn_number) as first_turn
    from (
        select session_id, task_category, active_ms, turn_number from {{ ref('int_session_activity') }}
        union all
        select session_id, task_category, 0, turn_number from {{ ref('int_turns') }}
    ) as turns
    group by session_id, task_category
),

categories as (
    select
        session_id,
        arg_max(task_category, {'active_ms': active_ms, 'first': -first_turn, 'category': task_category}) as primary_task_category,
        count(*) filter (where first_turn > 0) as task_category_count
    from category_times
    group by session_id
),

first_prompts as (
    select session_id, arg_min(prompt_excerpt, {
            'says_little': message_kind = 'bash' or (message_kind = 'slash_command' and not contains(prompt_excerpt, ' ')),
            'turn': turn_number
        }) as prompt_excerpt
    from {{ ref('int_turns') }}
    where prompt_excerpt <> ''
    group by session_id
),

joined as (
    select
        bounds.* exclude (seen_agents),
        -- As fct_subagent_runs has them: those whose records were seen, and those that only a call's result names.
        coalesce(len(list_distinct(list_concat(bounds.seen_agents, tool_counts.started_agents))), 0) as subagent_count,
        coalesce(titles.title, first_prompts.prompt_excerpt) as title,
        (epoch_ms(bounds.session_end) - epoch_ms(bounds.session_start)) // 1000 as duration_seconds,
        coalesce(active.active_ms, 0) as active_ms,
        coalesce(message_counts.user_message_count, 0) as user_message_count,
        coalesce(message_counts.assistant_message_count, 0) as assistant_message_count,
        coalesce(message_counts.subagent_message_count, 0) as subagent_message_count,
        coalesce(message_counts.human_prompt_count, 0) as human_prompt_count,
        coalesce(message_counts.response_count, 0) as response_count,
        coalesce(message_counts.api_error_count, 0) as api_error_count,
        coalesce(message_counts.turn_count, 0) as turn_count,
        coalesce(message_counts.total_content_length, 0) as total_content_length,
        coalesce(message_counts.response_time_ms, 0) as response_time_ms,
        coalesce(message_counts.response_time_count, 0) as response_time_count,
        coalesce(message_counts.input_tokens, 0) as input_tokens,
        coalesce(message_counts.output_tokens, 0) as output_tokens,
        coalesce(message_counts.cache_read_tokens, 0) as cache_read_tokens,
        coalesce(message_counts.cache_creation_tokens, 0) as cache_creation_tokens,
        coalesce(message_counts.model_count, 0) as model_count,
        message_counts.primary_model,
        coalesce(tool_counts.tool_call_count, 0) as tool_call_count,
        coalesce(tool_counts.subagent_tool_call_count, 0) as subagent_tool_call_count,
        coalesce(tool_counts.unique_tools_used, 0) as unique_tools_used,
        coalesce(tool_counts.tool_success_count, 0) as tool_success_count,
        coalesce(tool_counts.tool_error_count, 0) as tool_error_count,
        coalesce(tool_counts.tool_rejected_count, 0) as tool_rejected_count,
        coalesce(tool_counts.tool_pending_count, 0) as tool_pending_count,
        coalesce(tool_counts.orphan_result_count, 0) as orphan_result_count,
        tool_counts.primary_tool,
        coalesce(categories.primary_task_category, 'other') as primary_task_category,
        coalesce(categories.task_category_count, 0) as task_category_count,
        timezone('{{ var('report_tz', 'UTC') }}', bounds.session_start) as local_start
    from bounds
    left join titles on titles.session_id = bounds.session_id
    left join message_counts on message_counts.session_id = bounds.session_id
    left join tool_counts on tool_counts.session_id = bounds.session_id
    left join active on active.session_id = bounds.session_id
    left join categories on categories.session_id = bounds.session_id
    left join first_prompts on first_prompts.session_id = bounds.session_id
),

final as (
    select
        * exclude (local_start),
        user_message_count + assistant_message_count + subagent_message_count as message_count,
        local_start::date as date_key,
        timezone('UTC', session_start)::date as date_utc,
        hour(local_start) as start_hour,
        dayofweek(local_start) as start_day_of_week
    from joined
)

select * from final
