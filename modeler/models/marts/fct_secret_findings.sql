{{ config(materialized='incremental', schema='marts', unique_key='finding_key', meta={'refresh_by': 'session_id'}) }}

-- One row per secret that redaction replaced in a record: what kind it was, and where. The secret itself is nowhere; equal
-- hashes are equal secrets.
with records as (
    select * from {{ ref('stg_conversations') }}
),

sessions as (
    select session_id, project_id from {{ ref('int_sessions_computed') }}
),

findings as (
    select source, _id, _key, finding_index, rule, path, hash, redaction_version
    from {{ source('raw', 'secret_findings') }}
),

final as (
    select
        md5(findings.source || ':' || findings._id || ':' || findings.finding_index) as finding_key,
        md5(records.session_id) as session_key,
        timezone('{{ var('report_tz', 'UTC') }}', records.effective_timestamp)::date as date_key,
        coalesce(sessions.project_id, records.project_id) as project_id,
        findings.rule,
        findings.path,
        findings.hash,
        records.effective_timestamp as created_at,

        -- ids
        records.session_id,
        findings.source,
        findings._id as conversation_id,
        findings.finding_index,
        records.uuid,

        -- what held it
        records.entry_type,
        records.message_role,
        records.is_sidechain,
        records.cwd,
        records.partition_date as date_utc,
        findings.redaction_version
    from findings
    join records on records.record_key = findings._key
    left join sessions on sessions.session_id = records.session_id
)

select * from final
