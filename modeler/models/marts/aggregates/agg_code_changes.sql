{{ config(materialized='incremental', schema='marts', unique_key='date_key', meta={'refresh_by': 'date_key'}) }}

-- One row per day on which files were read or changed. Only operations that succeeded count.
with operations as (
    select
        *,
        operation_type <> 'read' as is_change
    from {{ ref('fct_file_operations') }}
    where status = 'success'
),

languages as (
    select date_key, language, count(*) as changes
    from operations
    where is_change and language is not null
    group by date_key, language
),

top_languages as (
    select
        date_key,
        array_to_string(list_slice(list(language order by changes desc, language), 1, 5), ',') as top_languages,
        count(*) as language_count
    from languages
    group by date_key
),

totals as (
    select
        date_key,
        count(distinct {'project': project_id, 'path': rel_path}) filter (where is_change and rel_path is not null) as files_modified,
        count(distinct {'project': project_id, 'path': rel_path}) filter (where is_create and rel_path is not null) as files_created,
        count(distinct {'project': project_id, 'path': rel_path}) filter (where not is_change and rel_path is not null) as files_read,
        count(*) as operations,
        count(*) filter (where operation_type = 'read') as read_operations,
        count(*) filter (where operation_type = 'write') as write_operations,
        count(*) filter (where operation_type = 'edit') as edit_operations,
        count(*) filter (where operation_type = 'multi_edit') as multi_edit_operations,
        count(*) filter (where operation_type = 'other') as other_operations,
        coalesce(sum(lines_added), 0)::bigint as lines_added,
        coalesce(sum(lines_removed), 0)::bigint as lines_removed,
        count(*) filter (where user_modified) as user_modified_operations,
        count(distinct session_id) filter (where is_change and session_id <> '') as sessions
    from operations
    group by date_key
),

final as (
    select
        totals.date_key,
        totals.files_modified,
        totals.operations,
        totals.files_created,
        totals.files_read,
        totals.read_operations,
        totals.write_operations,
        totals.edit_operations,
        totals.multi_edit_operations,
        totals.other_operations,
        totals.lines_added,
        totals.lines_removed,
        totals.lines_added - totals.lines_removed as net_lines,
        totals.user_modified_operations,
        totals.sessions,
        coalesce(top_languages.language_count, 0) as language_count,
        top_languages.top_languages
    from totals
    left join top_languages on top_languages.date_key = totals.date_key
)

select * from final
