{{ config(materialized='view', schema='intermediate') }}

-- One row per turn: a prompt in the main thread, up to the next one.
with prompts as (
    select
        session_id,
        message_id,
        record_key,
        record_number,
        message_kind,
        effective_timestamp,
        prompt_text,
        row_number() over (partition by session_id order by record_number) as turn_number
    from {{ ref('stg_messages') }}
    where prompt_text is not null
),

said as (
    select
        *,
        case
            when message_kind = 'slash_command' then concat_ws(
                ' ',
                replace(regexp_extract(prompt_text, '<command-name>/?(.*?)</command-name>', 1), '-', ' '),
                regexp_extract(prompt_text, '(?s)<command-args>(.*?)</command-args>', 1)
            )
            when message_kind = 'bash' then ''
            else left(prompt_text, 100000)
        end as said_text
    from prompts
),

-- Without wrappers, fenced code and lines that look like a pasted log; of a command, its name and arguments. A wrapper
-- ends with its own name; a fence as document.fencedBlocks has it, of which five marks are as good as more; code may
-- also stand between such marks on one line. White space becomes one space: a pattern that leaves single spaces alone, which
-- are most of it, takes a fourth of the time.
cleaned as (
    select
        *,
        row_number() over (order by record_key) as place,
        lower(left(trim(regexp_replace(regexp_replace(regexp_replace(
            case
                when contains(said_text, '</') then list_reduce(
                    list_sort(list_distinct(regexp_extract_all(said_text, '</([a-z][a-z0-9_-]*)>', 1))),
                    lambda remaining, tag: regexp_replace(remaining, concat('(?s)<', tag, '(?: [^<>]*)?>.*?</', tag, '>'), ' ', 'g'),
                    said_text
                )
                else said_text
            end,
            '(?ms)^ {0,3}(?:```[^`\n]*$.*?(?:^ {0,3}```+[ \t\r]*$|\z)|````[^`\n]*$.*?(?:^ {0,3}````+[ \t\r]*$|\z)|`{5,}[^`\n]*$.*?(?:^ {0,3}`{5,}[ \t\r]*$|\z)|~~~(?:[^~\n][^\n]*)?$.*?(?:^ {0,3}~~~+[ \t\r]*$|\z)|~~~~(?:[^~\n][^\n]*)?$.*?(?:^ {0,3}~~~~+[ \t\r]*$|\z)|~{5,}(?:[^~\n][^\n]*)?$.*?(?:^ {0,3}~{5,}[ \t\r]*$|\z))|```+[^`\n]+```+', ' ', 'g'),
            '(?m)^[ \t]*(?:\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d|\[?(?:ERROR|WARN|WARNING|INFO|DEBUG|TRACE|FATAL)\b[\]: ]|at [^ \n]+ ?\(|File "[^"\n]*", line \d|Traceback \().*$', ' ', 'g'),
            '[\s\x00-\x1f]{2,}|[\x00-\x1f]', ' ', 'g')
        ), 2000)) as task_text
    from said
),

-- DuckDB compiles a pattern that is no constant once per row, so each rule runs over all prompts as one text. No pattern
-- matches across the separator: a dot stops at the newline, a space class at the character between.
batch as (
    select string_agg(task_text, chr(10) || chr(30) || chr(10) order by place) as task_texts
    from cleaned
),

marked as (
    select
        rules.category,
        rules.tie_order,
        string_split(
            regexp_replace(batch.task_texts, '(?m)(?:' || rules.pattern || ')', chr(1) || '\0', 'g'),
            chr(10) || chr(30) || chr(10)
        ) as texts
    from batch
    cross join {{ ref('task_rules') }} as rules
),

found as (
    select
        category,
        tie_order,
        generate_subscripts(texts, 1) as place,
        strpos(unnest(texts), chr(1)) as found_at
    from marked
),

-- Earliest match wins; at the same place, the rule that stands first.
matches as (
    select
        place,
        arg_min(category, {'found_at': found_at, 'tie_order': tie_order, 'category': category}) as task_category
    from found
    where found_at > 0
    group by place
),

judged as (
    select
        cleaned.*,
        length(cleaned.task_text) <= 15 and regexp_matches(
            cleaned.task_text,
            '^(?:please )?(?:continue|go on|go ahead|proceed|carry on|keep going|yes|yep|yeah|y|ok|okay|sure|do it|next|thanks|thank you)\b'
        ) as is_continuation,
        matches.task_category
    from cleaned
    left join matches on matches.place = cleaned.place
),

final as (
    select
        session_id,
        turn_number,
        message_id,
        record_key,
        record_number,
        message_kind,
        effective_timestamp as started_at,
        is_continuation,
        coalesce(
            last_value(case when not is_continuation then coalesce(task_category, 'other') end ignore nulls) over (
                partition by session_id order by turn_number
                rows between unbounded preceding and current row
            ),
            'other'
        ) as task_category,
        left(trim(regexp_replace(
            case message_kind
                when 'slash_command' then concat_ws(
                    ' ',
                    '/' || regexp_extract(prompt_text, '<command-name>/?(.*?)</command-name>', 1),
                    regexp_extract(prompt_text, '(?s)<command-args>(.*?)</command-args>', 1)
                )
                when 'bash' then '! ' || regexp_extract(prompt_text, '(?s)<bash-input>(.*?)(?:</bash-input>|$)', 1)
                else prompt_text
            end,
            '\s{2,}|[\t\n\f\r]', ' ', 'g'
        )), 120) as prompt_excerpt
    from judged
)

select * from final
