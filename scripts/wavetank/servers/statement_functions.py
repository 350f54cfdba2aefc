"""MySQL's own functions and the words that stand before a bracket: a name that is not here may be a stored function.

What a stored function does no parser can know. MySQL lets no stored function be called by one of these names
alone, without its schema's before it: a test asks a server for every one of them.
"""

# They write nothing, lock nothing, and answer alike in every session.
HARMLESS = frozenset(
    str.split("""
    abs acos adddate addtime aes_decrypt aes_encrypt any_value ascii asin atan atan2 avg bin bin_to_uuid bit_and
    bit_count bit_length bit_or bit_xor cast ceil ceiling char char_length character_length charset coalesce
    coercibility collation compress concat concat_ws conv convert convert_tz cos cot count crc32 cume_dist curdate
    current_date current_time current_timestamp curtime date date_add date_format date_sub datediff day dayname
    dayofmonth dayofweek dayofyear degrees dense_rank elt exp export_set extract extractvalue field find_in_set
    first_value floor format format_bytes format_pico_time from_base64 from_days from_unixtime get_format greatest
    group_concat grouping gtid_subset gtid_subtract hex hour if ifnull inet6_aton inet6_ntoa inet_aton inet_ntoa
    insert instr interval is_ipv4 is_ipv4_compat is_ipv4_mapped is_ipv6 is_uuid isnull json_array json_array_append
    json_array_insert json_arrayagg json_contains json_contains_path json_depth json_extract json_insert json_keys
    json_length json_merge_patch json_merge_preserve json_object json_objectagg json_overlaps json_pretty json_quote
    json_remove json_replace json_schema_valid json_schema_validation_report json_search json_set json_storage_free
    json_storage_size json_table json_type json_unquote json_valid json_value lag last_day last_value lcase lead least
    left length ln localtime localtimestamp locate log log10 log2 lower lpad ltrim make_set makedate maketime max
    microsecond mid min minute mod month monthname name_const now nth_value ntile nullif oct octet_length ord
    percent_rank period_add period_diff pi position pow power quarter quote radians rand random_bytes rank
    regexp_instr regexp_like regexp_replace regexp_substr repeat replace reverse right round row_number rpad rtrim
    sec_to_time second sha2 sign sin sleep soundex space sqrt st_area st_asgeojson st_astext st_buffer st_centroid
    st_contains st_distance st_distance_sphere st_geomfromgeojson st_geomfromtext st_intersects st_latitude
    st_longitude st_within st_x st_y std stddev stddev_pop stddev_samp str_to_date strcmp subdate substr substring
    substring_index subtime sum sysdate tan time time_format time_to_sec timediff timestamp timestampadd
    timestampdiff to_base64 to_days to_seconds trim truncate ucase uncompress uncompressed_length unhex
    unix_timestamp updatexml upper utc_date utc_time utc_timestamp uuid uuid_short uuid_to_bin
    validate_password_strength var_pop var_samp variance version week weekday weekofyear weight_string year yearweek
    """)
)

# They write nothing, but only the session knows their answer.
OF_THE_SESSION = frozenset({"connection_id", "found_rows", "last_insert_id", "row_count"})

# Words of the language, types among them, that a bracket may follow.
KEYWORDS = frozenset(
    str.split("""
    against all and any as between binary by case char character columns date datetime dec decimal distinct div else
    except exists float for force from having ignore in index intersect is join key lateral like limit match member
    mod nchar not numeric of offset on or over partition real regexp rlike rollup row select set signed some
    straight_join then time timestamp union unsigned use using values varbinary varchar when where with xor year
    """)
)
