/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How Go gets what creplicant.i names.
 *
 * A handle or a record is a `type Volume uintptr`, 0 for none; whoever made it frees it, which
 * package replicant does. A call with a status returns `error`: the C wrapper takes the error
 * record inside the same C call and hands its address over, so that no goroutine needs to stay on
 * its thread. An output is a pointer to a Go variable, zero after a failure; what C writes to is
 * always a variable of the wrapper's own, because cgo looks at the whole object that a pointer
 * leads into and panics where that holds Go pointers. Texts are copied, both ways; one with a NUL
 * in it is refused, not cut. Buffers are not SWIG's business: creplicant/io.go.
 */
%go_import("strings")

/* Typemaps of outputs are bound to parameter names, and functions lose the prefix that Go's package
 * name has already. Constants are in creplicant/cgo.go, as real ones. */
%rename("%(strip:[lsm_])s", %$isfunction) "";
%rename(Capabilities_get) lsm_capabilities; /* its name is the table's type's */
%rename("$ignore", %$isenumitem) "";
%rename("$ignore", %$isenum) "";
%rename("$ignore", %$isconstant) "";

/* --- Errors ------------------------------------------------------------------------------------ */

#define LSM_BLOCKING_BEGIN if (!failed) {
#define LSM_BLOCKING_END }

%insert(go_wrapper) %{
// Error is an error record of the library, taken over into Go.
type Error struct {
	Code      int
	Errno     int
	Offset    uint64
	Retryable bool
	Message   string
	Object    string
	Hint      string
	Exception string
	Debug     string
}

func (e *Error) Error() string { return e.Message }

// takeError makes an error of a record and frees that; 0 is no error.
func takeError(e ErrorRecord) error {
	if e == 0 {
		return nil
	}
	defer Error_free(e)
	return &Error{
		Code:      int(Error_number_get(e)),
		Errno:     Error_errno_get(e),
		Offset:    Error_offset_get(e),
		Retryable: Error_retryable_get(e) != 0,
		Message:   Error_message_get(e),
		Object:    Error_object_get(e),
		Hint:      Error_hint_get(e),
		Exception: Error_exception_get(e),
		Debug:     Error_debug_get(e),
	}
}
%}

/* imtype must not be uintptr: SWIG would then make C's result `int` and cut the address. */
%typemap(gotype) int LSM_STATUS "error"
%typemap(imtype) int LSM_STATUS "uint64"
%typemap(out) int LSM_STATUS (lsm_error *failed = NULL) { $result = (uintptr_t)failed; }
%typemap(goout) int LSM_STATUS %{ $result = takeError(ErrorRecord($1)) %}

/* --- Handles and records ----------------------------------------------------------------------- */

%define LSM_POINTER(TYPE, NAME)
%typemap(gotype) TYPE "NAME"
%typemap(imtype) TYPE "uintptr"
%typemap(goin) TYPE %{ $result = uintptr($input) %}
%typemap(in) TYPE { $1 = ($1_ltype)$input; }
%typemap(out) TYPE { $result = (void *)$1; }
%typemap(goout) TYPE %{ $result = NAME($1) %}
%enddef

%define LSM_OUT(PARAMETER, NAME, IM)
%typemap(gotype) PARAMETER "*NAME"
%typemap(imtype) PARAMETER "*IM"
%typemap(goin) PARAMETER %{ $result = new(IM) %}
%typemap(in) PARAMETER { $1 = ($1_ltype)$input; }
%typemap(goargout) PARAMETER %{ *$1 = NAME(*$input) %}
%enddef

%define LSM_HANDLE(TYPE, NAME, FREE)
%insert(go_wrapper) %{
// NAME is the address of a C TYPE; 0 is none.
type NAME uintptr
%}
LSM_POINTER(TYPE *, NAME)
LSM_OUT(TYPE **, NAME, uintptr)
%enddef

/* Of errors only the record's address is passed on; `e` of lsm_connect_password becomes the call's
 * error. */
%insert(go_wrapper) %{
// ErrorRecord is the address of a C lsm_error; 0 is none.
type ErrorRecord uintptr
%}
LSM_POINTER(lsm_error *, ErrorRecord)

%define LSM_OUT_ERROR(NAME)
%typemap(in, numinputs=0) lsm_error_ptr *NAME (lsm_error *error = NULL) { $1 = &error; }
%enddef

/* A handle that is 0 goes in as NULL; the library refuses it where it must have one. */
%define LSM_OPTIONAL(TYPE, NAME)
%enddef

/* --- Outputs ----------------------------------------------------------------------------------- */

%define LSM_OUT_NUMBER(TYPE, GOTYPE, NAME)
LSM_OUT(TYPE *NAME, GOTYPE, GOTYPE)
%enddef

/* C fills in {address, length}; Go copies and frees. */
%define LSM_OUT_STRING(NAME)
%typemap(gotype) char **NAME "*string"
%typemap(imtype) char **NAME "*[2]uintptr"
%typemap(goin) char **NAME %{ $result = new([2]uintptr) %}
%typemap(in) char **NAME (char *text = NULL) { $1 = &text; }
%typemap(argout) char **NAME {
    ((uintptr_t *)$input)[0] = (uintptr_t)text$argnum;
    ((uintptr_t *)$input)[1] = text$argnum ? strlen(text$argnum) : 0;
}
%typemap(goargout) char **NAME %{
	*$1 = strings.Clone(*(*string)(unsafe.Pointer($input)))
	Swig_free($input[0])
%}
%enddef

%define LSM_OUT_ARRAY(TYPE, GOTYPE, NAME, COUNT)
%typemap(gotype) (TYPE **NAME[], uint32_t *COUNT) "*[]GOTYPE"
%typemap(imtype) (TYPE **NAME[], uint32_t *COUNT) "*[2]uintptr"
%typemap(goin) (TYPE **NAME[], uint32_t *COUNT) %{ $result = new([2]uintptr) %}
%typemap(in) (TYPE **NAME[], uint32_t *COUNT) (uint32_t n = 0) {
    $1 = (TYPE ***)$input;
    $2 = &n;
}
%typemap(argout) (TYPE **NAME[], uint32_t *COUNT) { ((uintptr_t *)$input)[1] = n$argnum; }
%typemap(goargout) (TYPE **NAME[], uint32_t *COUNT) %{
	*$1 = append([]GOTYPE(nil), unsafe.Slice(*(**GOTYPE)(unsafe.Pointer($input)), $input[1])...)
	Swig_free($input[0])
%}
%enddef

/* --- Inputs ------------------------------------------------------------------------------------ */

%typemap(gotype) uint32_t, lsm_error_number "uint32"
%typemap(gotype) enum SWIGTYPE "int32"

%typemap(in) const char *, char *key, char *value { $1 = strndup($input.p, (size_t)$input.n); }
%typemap(freearg) const char *, char *key, char *value { free($1); }
%typemap(check) const char *, char *key, char *value {
    if (!failed && $1 && strlen($1) != (size_t)$input.n)
        failed = lsm_error_create(LSM_ERR_INVALID_ARGUMENT, "$1_name has a NUL in it", NULL, NULL,
                                  NULL, 0);
}
%define LSM_OPTIONAL_STRING(NAME)
%typemap(in) const char *NAME, char *NAME {
    $1 = $input.n ? strndup($input.p, (size_t)$input.n) : NULL;
}
%enddef

/* Lists: the empty key is none. */
LSM_OPTIONAL_STRING(key)
LSM_OPTIONAL_STRING(value)

%typemap(out) const char *, char * {
    $result.p = (char *)$1;
    $result.n = $1 ? (intgo)strlen($1) : 0;
}
%typemap(goout) const char *, char * %{ $result = strings.Clone($1) %}

%define LSM_FLAGS_HIDDEN
%typemap(in, numinputs=0) lsm_flag flags { $1 = LSM_CLIENT_FLAG_RSVD; }
%enddef
%define LSM_FLAGS_SHOWN
%clear lsm_flag flags;
%enddef

/* --- By hand, in creplicant/io.go and creplicant/calls.go -------------------------------------- */

#define LSM_OUT_EXTENTS(LIST, COUNT)
#define LSM_OUT_STRING_LIST(NAME)
#define LSM_IN_GROUP(SOURCES, NAMES, COUNT)
#define LSM_IN_RANGES(LIST, COUNT)
#define LSM_BUFFER_TO_FILL(BUF, LEN)
#define LSM_BUFFER_TO_READ(BUF, LEN)

%ignore lsm_volume_io_pread;
%ignore lsm_volume_io_pwrite;
%ignore lsm_volume_io_size_get;
%ignore lsm_volume_io_extents;
%ignore lsm_volume_group_replicate;
%ignore lsm_volume_replicate_range;
%ignore lsm_volume_tag_get;
%ignore lsm_volume_tag_set;
%ignore lsm_volume_vpd83_verify;
%ignore lsm_available_plugins_list;

/* --- What Go has no use for: waiting without a thread, copies of what never changes, … --------- */

%ignore lsm_job_wait;
%ignore lsm_job_status_get;
%ignore lsm_job_status_volume_get;
%ignore lsm_volume_replicate;
%ignore lsm_capability_supported;
%ignore lsm_error_debug_data_get;
%rename("$ignore", regextarget=1, %$isfunction) "^lsm_.*_record_(copy|array_free)$";
