{{ config(materialized='view') }}
select project_id from {{ ref('rank_projects') }} where place = 1
