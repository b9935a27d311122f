with docs as (
    select * from {{ source('raw', 'conversations') }}
)

select
    _key as record_key,
    coalesce(session_id, '') as session_id,
    coalesce(project_id, '') as project_id,
    coalesce(uuid, _id) as record_id,
    effective_timestamp,
    timezone('{{ var("report_tz") }}', effective_timestamp)::date as date_key,
    content_length,
    is_sidechain
from docs
qualify row_number() over (partition by coalesce(uuid, _id) order by ingested_at, _id) = 1
