/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the record of a volume says, and that it is a fact of its moment. */
#include "suites.h"

START_TEST(record_of_a_new_volume)
{
    autovolume lsm_volume *v = volume_make("v", MIB);
    lsm_system **systems = NULL;
    uint32_t count = 0;
    FINE(lsm_system_list(world.conn, &systems, &count, 0));
    ck_assert_uint_eq(count, 1);
    ck_assert_str_eq(lsm_volume_name_get(v), "v");
    ck_assert_str_eq(lsm_volume_system_id_get(v), lsm_system_id_get(systems[0]));
    ck_assert_str_eq(lsm_volume_pool_id_get(v), lsm_pool_id_get(world.pool));
    ck_assert_str_eq(lsm_pool_system_id_get(world.pool), lsm_system_id_get(systems[0]));
    ck_assert_uint_eq(lsm_volume_block_size_get(v), 512);
    ck_assert_uint_eq(lsm_volume_number_of_blocks_get(v), MIB / 512);
    ck_assert_uint_eq(lsm_volume_admin_state_get(v), LSM_VOLUME_ADMIN_STATE_ENABLED);
    ck_assert_uint_eq(lsm_volume_depth_get(v), 1);
    ck_assert_ptr_null(lsm_volume_parent_id_get(v));
    ck_assert_uint_gt(lsm_volume_created_ms_get(v), 1700000000000);
    lsm_system_record_array_free(systems, count);
}
END_TEST

/* Every volume carries a valid id of 32 digits, and it is the volume's id, too. */
START_TEST(record_has_a_vpd83)
{
    autovolume lsm_volume *v = volume_make("v", CLUSTER);
    ck_assert_int_eq(lsm_volume_vpd83_verify(lsm_volume_vpd83_get(v)), OK);
    ck_assert_uint_eq(strlen(lsm_volume_id_get(v)), 32);
    ck_assert_str_eq(lsm_volume_vpd83_get(v), lsm_volume_id_get(v));
}
END_TEST

START_TEST(record_never_changes)
{
    autovolume lsm_volume *v = volume_make("v", MIB), *renamed = NULL;
    autovolume lsm_volume *copy = lsm_volume_record_copy(v);
    FINE(lsm_volume_rename(world.conn, v, "w", &renamed, 0));
    FINE(volume_resize(&renamed, 2 * MIB));
    FINE(volume_delete(renamed));
    lsm_volume_record_free(renamed);
    renamed = NULL;
    ck_assert_str_eq(lsm_volume_name_get(v), "v");
    ck_assert_uint_eq(volume_bytes(v), MIB);
    ck_assert_str_eq(lsm_volume_name_get(copy), "v");
    ck_assert_str_eq(lsm_volume_id_get(copy), lsm_volume_id_get(v));
}
END_TEST

START_TEST(record_outlives_the_connection)
{
    autovolume lsm_volume *v = volume_make("v", MIB);
    world_reopen();
    ck_assert_str_eq(lsm_volume_name_get(v), "v");
    volume_look(&v);
    ck_assert_str_eq(lsm_volume_name_get(v), "v");
    ck_assert_uint_eq(volume_bytes(v), MIB);
}
END_TEST

static void must_be_equal(lsm_volume *a, lsm_volume *b)
{
    ck_assert_str_eq(lsm_volume_id_get(a), lsm_volume_id_get(b));
    ck_assert_str_eq(lsm_volume_name_get(a), lsm_volume_name_get(b));
    ck_assert_str_eq(lsm_volume_pool_id_get(a), lsm_volume_pool_id_get(b));
    ck_assert_uint_eq(volume_bytes(a), volume_bytes(b));
    ck_assert_uint_eq(lsm_volume_admin_state_get(a), lsm_volume_admin_state_get(b));
    ck_assert_int_eq(lsm_volume_provision_get(a), lsm_volume_provision_get(b));
    ck_assert_uint_eq(lsm_volume_created_ms_get(a), lsm_volume_created_ms_get(b));
    ck_assert_uint_eq(lsm_volume_depth_get(a), lsm_volume_depth_get(b));
    ck_assert_pstr_eq(lsm_volume_parent_id_get(a), lsm_volume_parent_id_get(b));
}

START_TEST(records_are_the_same_after_reopening)
{
    autovolume lsm_volume *v = volume_make("v", MIB);
    autovolume lsm_volume *clone = clone_make(v, "clone");
    volume_look(&v);
    volume_look(&clone);
    autovolume lsm_volume *v_before = lsm_volume_record_copy(v);
    autovolume lsm_volume *clone_before = lsm_volume_record_copy(clone);
    world_reopen();
    volume_look(&v);
    volume_look(&clone);
    must_be_equal(v, v_before);
    must_be_equal(clone, clone_before);
}
END_TEST

/* The raw image that tools may read: while there are no layers, and with the volume's bytes. */
START_TEST(base_path_is_the_raw_image)
{
    autovolume lsm_volume *v = volume_make("v", MIB);
    lsm_volume_io *io = NULL;
    char bytes[5] = "";
    const char *path = lsm_volume_base_path_get(v);
    if (!path)
        return; /* this backend has no such file */
    FINE(lsm_volume_io_open(world.conn, v, &io, 0));
    FINE(lsm_volume_io_pwrite(io, "bytes", 5, 70000, 0));
    FINE(lsm_volume_io_flush(io, 0));
    FINE(lsm_volume_io_close(io, 0));
    FILE *file = fopen(path, "rb");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fseek(file, 0, SEEK_END), 0);
    ck_assert_int_eq(ftell(file), (long)MIB);
    ck_assert_int_eq(fseek(file, 70000, SEEK_SET), 0);
    ck_assert_uint_eq(fread(bytes, 1, 5, file), 5);
    fclose(file);
    ck_assert_mem_eq(bytes, "bytes", 5);
    autovolume lsm_volume *clone = clone_make(v, "clone");
    volume_look(&v);
    ck_assert_ptr_null(lsm_volume_base_path_get(v));
    ck_assert_ptr_null(lsm_volume_base_path_get(clone));
}
END_TEST

TCase *volume_record(void)
{
    TCase *tests = tcase_create("volume_record");
    tcase_add_checked_fixture(tests, world_make, world_remove);
    tcase_add_test(tests, record_of_a_new_volume);
    tcase_add_test(tests, record_has_a_vpd83);
    tcase_add_test(tests, record_never_changes);
    tcase_add_test(tests, record_outlives_the_connection);
    tcase_add_test(tests, records_are_the_same_after_reopening);
    tcase_add_test(tests, base_path_is_the_raw_image);
    return tests;
}
