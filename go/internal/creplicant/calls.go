// SPDX-License-Identifier: LGPL-2.1-or-later

package creplicant

// Calls whose arguments are lists, or texts that may be NULL. C gets lists as arrays of numbers, and
// builds its own from them: so no pointer to Go memory lies in Go memory that C sees.

/*
#include <stdlib.h>
#include <string.h>
#include <replicant/replicant.h>

struct outcome {
	uintptr_t error;
	uintptr_t *volumes; // free()
	uint32_t count;
	char *job; // free()
};

static uintptr_t failure(lsm_connect *conn, int rc)
{
	lsm_error *e = NULL;

	if (rc == LSM_ERR_OK || rc == LSM_ERR_JOB_STARTED)
		return 0;
	e = conn ? lsm_error_last_get(conn) : NULL;
	if (!e)
		e = lsm_error_create((lsm_error_number)rc, "refused: no open connection", NULL, NULL, NULL, 0);
	return (uintptr_t)e;
}

// `names` holds `count` texts, each with its NUL.
static struct outcome group_replicate(uintptr_t conn, uintptr_t pool, int32_t type, const uintptr_t *sources,
                                      const char *names, uint32_t count, uintptr_t options)
{
	lsm_connect *c = (lsm_connect *)conn;
	struct outcome out = { 0, NULL, 0, NULL };
	lsm_volume **made = NULL;
	const char **list = calloc(count + 1, sizeof *list);
	int rc = LSM_ERR_NO_MEMORY;

	if (list) {
		for (uint32_t i = 0; i < count; i++) {
			list[i] = names;
			names += strlen(names) + 1;
		}
		rc = lsm_volume_group_replicate(c, (lsm_pool *)pool, (lsm_replication_type)type,
		                                (lsm_volume **)sources, list, count,
		                                (lsm_replicate_options *)options, &made, &out.count, &out.job,
		                                LSM_CLIENT_FLAG_RSVD);
		out.volumes = (uintptr_t *)made;
	}
	out.error = failure(c, rc);
	free(list);
	return out;
}

// `ranges` holds three numbers for each.
static struct outcome replicate_range(uintptr_t conn, int32_t type, uintptr_t source, uintptr_t target,
                                      const uint64_t *ranges, uint32_t count)
{
	lsm_connect *c = (lsm_connect *)conn;
	struct outcome out = { 0, NULL, 0, NULL };
	lsm_block_range **list = count ? lsm_block_range_record_array_alloc(count) : NULL;
	int rc = LSM_ERR_OK;

	if (count && !list)
		rc = LSM_ERR_NO_MEMORY;
	for (uint32_t i = 0; rc == LSM_ERR_OK && i < count; i++) {
		list[i] = lsm_block_range_record_alloc(ranges[3 * i], ranges[3 * i + 1], ranges[3 * i + 2]);
		if (!list[i])
			rc = LSM_ERR_NO_MEMORY;
	}
	if (rc == LSM_ERR_OK)
		rc = lsm_volume_replicate_range(c, (lsm_replication_type)type, (lsm_volume *)source,
		                                (lsm_volume *)target, list, count, &out.job,
		                                LSM_CLIENT_FLAG_RSVD);
	out.error = failure(c, rc);
	if (list)
		lsm_block_range_record_array_free(list, count);
	return out;
}

static uintptr_t tag_set(uintptr_t conn, uintptr_t volume, const char *key, const char *value)
{
	lsm_connect *c = (lsm_connect *)conn;
	return failure(c, lsm_volume_tag_set(c, (lsm_volume *)volume, key, value, LSM_CLIENT_FLAG_RSVD));
}

static const char *tag_get(uintptr_t volume, const char *key)
{
	return lsm_volume_tag_get((lsm_volume *)volume, key);
}
*/
import "C"

import (
	"strings"
	"unsafe"
)

// GroupMember is a source and the name of its replicant.
type GroupMember struct {
	Source Volume
	Name   string
}

func refused(message string) error {
	return &Error{Code: ERR_INVALID_ARGUMENT, Offset: ^uint64(0), Message: message}
}

// Volume_group_replicate returns what was made at once, or a job's id.
func Volume_group_replicate(conn Connect, pool Pool, replicationType int32, members []GroupMember,
	options ReplicateOptions) ([]Volume, string, error) {
	sources := make([]Volume, len(members)+1)
	var names strings.Builder
	for i, m := range members {
		if strings.IndexByte(m.Name, 0) >= 0 {
			return nil, "", refused("a name has a NUL in it")
		}
		sources[i] = m.Source
		names.WriteString(m.Name)
		names.WriteByte(0)
	}
	texts := []byte(names.String() + "\x00")
	out := C.group_replicate(C.uintptr_t(conn), C.uintptr_t(pool), C.int32_t(replicationType),
		(*C.uintptr_t)(unsafe.Pointer(&sources[0])), (*C.char)(unsafe.Pointer(&texts[0])),
		C.uint32_t(len(members)), C.uintptr_t(options))
	defer C.free(unsafe.Pointer(out.volumes))
	defer C.free(unsafe.Pointer(out.job))
	made := append([]Volume(nil), unsafe.Slice((*Volume)(unsafe.Pointer(out.volumes)), int(out.count))...)
	return made, C.GoString(out.job), takeError(ErrorRecord(out.error))
}

// Volume_replicate_range takes ranges of {source start, target start, count} and returns a job's
// id, or none where it was done at once.
func Volume_replicate_range(conn Connect, replicationType int32, source, target Volume,
	ranges [][3]uint64) (string, error) {
	array := append(make([][3]uint64, 0, len(ranges)+1), ranges...)
	array = array[:len(ranges)+1]
	out := C.replicate_range(C.uintptr_t(conn), C.int32_t(replicationType), C.uintptr_t(source),
		C.uintptr_t(target), (*C.uint64_t)(unsafe.Pointer(&array[0])), C.uint32_t(len(ranges)))
	defer C.free(unsafe.Pointer(out.job))
	return C.GoString(out.job), takeError(ErrorRecord(out.error))
}

// Volume_tag_set sets a tag; a nil value removes it.
func Volume_tag_set(conn Connect, volume Volume, key string, value *string) error {
	if strings.IndexByte(key, 0) >= 0 || value != nil && strings.IndexByte(*value, 0) >= 0 {
		return refused("a tag has a NUL in it")
	}
	k := C.CString(key)
	defer C.free(unsafe.Pointer(k))
	var v *C.char
	if value != nil {
		v = C.CString(*value)
		defer C.free(unsafe.Pointer(v))
	}
	return takeError(ErrorRecord(C.tag_set(C.uintptr_t(conn), C.uintptr_t(volume), k, v)))
}

// Volume_tag_get tells a tag's text, and whether there is one.
func Volume_tag_get(volume Volume, key string) (string, bool) {
	if strings.IndexByte(key, 0) >= 0 {
		return "", false
	}
	k := C.CString(key)
	defer C.free(unsafe.Pointer(k))
	text := C.tag_get(C.uintptr_t(volume), k)
	return C.GoString(text), text != nil
}

// Volume_vpd83_verify tells whether a text is a valid VPD 83 id.
func Volume_vpd83_verify(vpd83 string) bool {
	text := C.CString(vpd83)
	defer C.free(unsafe.Pointer(text))
	return len(vpd83) == int(C.strlen(text)) && C.lsm_volume_vpd83_verify(text) == ERR_OK
}

// Available_plugins_list returns what lsm_available_plugins_list does, as a slice.
func Available_plugins_list(separator string) ([]string, error) {
	sep := C.CString(separator)
	defer C.free(unsafe.Pointer(sep))
	var list *C.lsm_string_list
	if rc := C.lsm_available_plugins_list(sep, &list, C.LSM_CLIENT_FLAG_RSVD); rc != ERR_OK {
		return nil, &Error{Code: int(rc), Offset: ^uint64(0), Message: "the backends cannot be listed"}
	}
	defer C.lsm_string_list_free(list)
	var texts []string
	for i := range C.lsm_string_list_size(list) {
		texts = append(texts, C.GoString(C.lsm_string_list_elem_get(list, i)))
	}
	return texts, nil
}
