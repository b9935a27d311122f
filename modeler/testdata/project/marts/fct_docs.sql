{{ config(unique_key='doc_key', meta={'refresh_by': 'session_id'}, tags=['facts']) }}
select
    md5(record_id) as doc_key,
    session_id,
    project_id,
    date_key,
    content_length,
    row_number() over (partition by session_id order by effective_timestamp, record_id) as position
from {{ ref('stg_docs') }}
