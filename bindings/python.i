/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How Python gets what creplicant.i names.
 *
 * A call returns its outputs: None, the one, or a tuple. A failure is raised, as the exception that
 * replicant/errors.py makes of the record; the record is taken inside the call, with the GIL
 * dropped. Records are bare SWIG pointers that own what they point at; the classes above them are
 * written by hand. None is refused where the library needs a thing, and so is a closed handle.
 *
 * An open handle (connection, volume I/O, event queue) is held in a `struct held` that counts the
 * calls inside it. Closing lets no new call begin, waits for those under way with the GIL dropped,
 * and then closes; so a thread may close what others use. Whoever is last to let go of a handle
 * that was not closed closes it. All counting is done under the GIL.
 *
 * Texts: UTF-8, bytes that are none as surrogate escapes, both ways; one with a NUL in it is
 * refused, not cut. Buffers are used where they lie, and locked for as long as the call takes:
 * SWIG's own pybuffer.i lets go of them before it.
 */
%{
#include <errno.h>
#include <semaphore.h>
#include <stdbool.h>
#include <time.h>
#include <unistd.h>
%}

#define LSM_BLOCKING_BEGIN Py_BEGIN_ALLOW_THREADS
#define LSM_BLOCKING_END Py_END_ALLOW_THREADS

/* --- Errors ------------------------------------------------------------------------------------ */

%{
static PyObject *error_factory; /* (code, message, object, errno, offset, hint, retryable,
                                 *  exception, debug) -> an exception */

static PyObject *text_or_none(void *text)
{
    if (!text)
        Py_RETURN_NONE;
    return PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "surrogateescape");
}

/* Raises what the record says, and frees it. */
static void raise_error(lsm_error *e)
{
    PyObject *raised = NULL;

    if (!error_factory) {
        PyErr_SetString(PyExc_SystemError, "replicant was imported only in part");
    } else {
        raised = PyObject_CallFunction(
            error_factory, "iO&O&iKO&iO&O&", (int)lsm_error_number_get(e), text_or_none,
            lsm_error_message_get(e), text_or_none, (void *)lsm_error_object_get(e),
            lsm_error_errno_get(e), (unsigned long long)lsm_error_offset_get(e), text_or_none,
            (void *)lsm_error_hint_get(e), lsm_error_retryable_get(e), text_or_none,
            lsm_error_exception_get(e), text_or_none, lsm_error_debug_get(e));
    }
    if (raised) {
        PyErr_SetObject((PyObject *)Py_TYPE(raised), raised);
        Py_DECREF(raised);
    }
    lsm_error_free(e);
}

static void raise_refusal(const char *message)
{
    lsm_error *e = lsm_error_create(LSM_ERR_INVALID_ARGUMENT, message, NULL, NULL, NULL, 0);

    if (e)
        raise_error(e);
    else
        PyErr_NoMemory();
}

/* A tuple one longer than `tuple`, with `value` at its end; takes both. SWIG's own append drops a
 * None that comes first. */
static PyObject *gather(PyObject *tuple, PyObject *value)
{
    Py_ssize_t size = tuple ? PyTuple_Size(tuple) : 0;
    PyObject *longer = tuple && value ? PyTuple_New(size + 1) : NULL;

    if (longer) {
        for (Py_ssize_t i = 0; i < size; i++) {
            PyObject *item = PyTuple_GetItem(tuple, i);
            Py_INCREF(item);
            PyTuple_SetItem(longer, i, item);
        }
        PyTuple_SetItem(longer, size, value);
    } else {
        Py_XDECREF(value);
    }
    Py_XDECREF(tuple);
    return longer;
}

/* What a call returns of its outputs. */
static PyObject *gathered(PyObject *tuple)
{
    Py_ssize_t size = tuple ? PyTuple_Size(tuple) : -1;
    PyObject *only = NULL;

    if (size > 1 || size < 0)
        return tuple;
    only = size == 1 ? PyTuple_GetItem(tuple, 0) : Py_None;
    Py_INCREF(only);
    Py_DECREF(tuple);
    return only;
}
%}

%inline %{
static void error_factory_set(PyObject *factory)
{
    PyObject *before = error_factory;

    Py_INCREF(factory);
    error_factory = factory;
    Py_XDECREF(before);
}
%}

/* What only C and Go need: records are taken apart above, and freed by their owner's end. */
%rename("$ignore", regexmatch$name="^lsm_error_.*_get$|^lsm_error_free$") "";
%rename("$ignore", regexmatch$name="_(record_copy|record_free|record_array_free)$") "";
%ignore lsm_replicate_options_free;

%typemap(out) int LSM_STATUS (lsm_error *failed = NULL) {
    if (failed) {
        raise_error(failed);
        SWIG_fail;
    }
    $result = PyTuple_New(0);
}
%typemap(ret) int LSM_STATUS { $result = gathered($result); } /* NULL is right: no second freearg */

%define LSM_OUT_ERROR(NAME)
%typemap(in, numinputs=0) lsm_error_ptr *NAME (lsm_error *error = NULL) { $1 = &error; }
%enddef

/* --- Records ----------------------------------------------------------------------------------- */

/* creplicant.py must be imported, though nothing in it is used: it tells SWIG the destructors. */
%define LSM_HANDLE(TYPE, NAME, FREE)
%rename(NAME) _ ## TYPE;
%nodefaultctor _ ## TYPE;
struct _ ## TYPE {};
%extend _ ## TYPE { ~_ ## TYPE() { FREE; } }
%exception _ ## TYPE::~_ ## TYPE { LSM_BLOCKING_BEGIN $action LSM_BLOCKING_END }
%typemap(check) TYPE * {
    if (!$1)
        SWIG_exception_fail(SWIG_ValueError, #NAME " expected, not None");
}
%typemap(in, numinputs=0) TYPE ** (TYPE *made = NULL) { $1 = &made; }
%typemap(argout) TYPE ** { $result = gather($result, made_object(*$1, $descriptor(TYPE *))); }
%typemap(out) TYPE * { /* only what makes one returns one */
    $result = $1 ? made_object($1, $descriptor(TYPE *)) : PyErr_NoMemory();
}
%enddef

%fragment("made_object", "runtime") %{
/* What owns a record; None where there is none. */
static PyObject *made_object(void *made, swig_type_info *type)
{
    if (!made)
        Py_RETURN_NONE;
    return SWIG_NewPointerObj(made, type, SWIG_POINTER_OWN | SWIG_POINTER_NOSHADOW);
}

/* A list that owns the records of an array; frees the array. */
static PyObject *made_list(void **made, uint32_t count, swig_type_info *type)
{
    PyObject *list = PyList_New((Py_ssize_t)count);

    for (uint32_t i = 0; i < count; i++) {
        PyObject *item = made_object(made[i], type);
        if (list && item)
            PyList_SetItem(list, (Py_ssize_t)i, item);
        else
            Py_XDECREF(item);
    }
    free(made);
    if (list && PyErr_Occurred())
        Py_CLEAR(list);
    return list;
}
%}
%fragment("made_object");

%define LSM_OUT_ARRAY(TYPE, NAME, LIST, COUNT)
%typemap(in, numinputs=0) (TYPE **LIST[], uint32_t *COUNT) (TYPE **made = NULL, uint32_t n = 0) {
    $1 = &made;
    $2 = &n;
}
%typemap(argout) (TYPE **LIST[], uint32_t *COUNT) {
    $result = gather($result, made_list((void **)*$1, *$2, $descriptor(TYPE *)));
}
%enddef

%define LSM_OPTIONAL(TYPE, NAME)
%typemap(check) TYPE *NAME "";
%enddef

/* --- Open handles ------------------------------------------------------------------------------ */

%{
struct held {
    void *handle;      /* the library's; NULL once it is closed */
    unsigned int calls; /* that are inside it */
    bool closing;      /* no other may begin */
    pid_t owner;       /* calls of other threads do not come along into a fork's child */
    sem_t left;        /* posted when the last call has left while someone closes */
};

static struct held *held_create(void *handle)
{
    struct held *held = calloc(1, sizeof(*held));

    if (!held)
        return NULL;
    held->handle = handle;
    held->owner = getpid();
    sem_init(&held->left, 0, 0);
    return held;
}

static bool held_enter(struct held *held)
{
    if (held->closing) {
        raise_refusal("the handle is closed");
        return false;
    }
    held->calls++;
    return true;
}

static void held_leave(struct held *held)
{
    if (--held->calls == 0 && held->closing)
        sem_post(&held->left);
}

/* Waits until no call is inside, unless a signal's handler raises; answers whether the handle is
 * the caller's to close. */
static bool held_close(struct held *held)
{
    held->closing = true;
    while (held->calls > 0 && held->owner == getpid()) {
        struct timespec until;

        Py_BEGIN_ALLOW_THREADS
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 100000000;
        if (until.tv_nsec >= 1000000000) {
            until.tv_nsec -= 1000000000;
            until.tv_sec++;
        }
        sem_timedwait(&held->left, &until);
        Py_END_ALLOW_THREADS
        if (PyErr_CheckSignals() != 0)
            return false;
    }
    return held->handle != NULL;
}
%}

#define LSM_HANDLE_ENTER if (!held_enter(held1)) { SWIG_fail; } Py_BEGIN_ALLOW_THREADS
#define LSM_HANDLE_LEAVE Py_END_ALLOW_THREADS held_leave(held1);

/* What the destructor is given is the `struct held`; nobody can be inside it. */
%define LSM_OPEN_HANDLE(TYPE, NAME, CLOSE)
%rename(NAME) _ ## TYPE;
%nodefaultctor _ ## TYPE;
struct _ ## TYPE {};
%extend _ ## TYPE {
    ~_ ## TYPE() {
        struct held *held = (struct held *)$self;
        TYPE *handle = held->handle;
        if (handle)
            CLOSE;
        sem_destroy(&held->left);
        free(held);
    }
}
%exception _ ## TYPE::~_ ## TYPE { LSM_BLOCKING_BEGIN $action LSM_BLOCKING_END }
%typemap(in) TYPE * (struct held *held = NULL) {
    if (!SWIG_IsOK(SWIG_ConvertPtr($input, (void **)&held, $descriptor(TYPE *), 0)) || !held)
        SWIG_exception_fail(SWIG_TypeError, #NAME " expected");
    $1 = held->handle;
}
%typemap(in, numinputs=0) TYPE ** (TYPE *made = NULL) { $1 = &made; }
%typemap(argout) TYPE ** {
    TYPE *handle = *$1;
    struct held *held = held_create(handle);
    if (held) {
        $result = gather($result, made_object(held, $descriptor(TYPE *)));
    } else {
        CLOSE;
        $result = gather($result, PyErr_NoMemory());
    }
}
%enddef

/* Closing again is harmless. */
%define LSM_CLOSE(FN, ERROR)
%exception FN {
    if (held_close(held1)) {
        arg1 = held1->handle;
        held1->handle = NULL;
        Py_BEGIN_ALLOW_THREADS
        $action
        failed = ERROR;
        Py_END_ALLOW_THREADS
    } else if (PyErr_Occurred()) {
        SWIG_fail;
    }
}
%apply int LSM_STATUS { int FN };
%enddef

/* --- Numbers and texts ------------------------------------------------------------------------- */

%{
/* Whatever counts as an integer, numpy's included; false with an exception set. */
static bool number_of(PyObject *object, unsigned long long most, unsigned long long *number)
{
    PyObject *index = PyNumber_Index(object);

    if (!index)
        return false;
    *number = PyLong_AsUnsignedLongLong(index);
    Py_DECREF(index);
    if (PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_OverflowError))
            return false;
        PyErr_Clear();
    } else if (*number <= most) {
        return true;
    }
    raise_refusal(most == UINT64_MAX   ? "a number outside 0 to 2^64 - 1"
                  : most == UINT32_MAX ? "a number outside 0 to 2^32 - 1"
                                       : "a number outside 0 to 2^63 - 1");
    return false;
}
%}
%typemap(in) uint64_t, lsm_flag {
    unsigned long long number = 0;
    if (!number_of($input, UINT64_MAX, &number))
        SWIG_fail;
    $1 = ($1_ltype)number;
}
%typemap(in) uint32_t {
    unsigned long long number = 0;
    if (!number_of($input, UINT32_MAX, &number))
        SWIG_fail;
    $1 = ($1_ltype)number;
}

%define LSM_OUT_NUMBER(TYPE, GOTYPE, NAME)
%typemap(in, numinputs=0) TYPE *NAME (TYPE number) { number = 0; $1 = &number; }
%typemap(argout) TYPE *NAME { $result = gather($result, PyLong_FromLongLong((long long)*$1)); }
%enddef

%define LSM_OUT_STRING(NAME)
%typemap(in, numinputs=0) char **NAME (char *text = NULL) { $1 = &text; }
%typemap(argout) char **NAME {
    $result = gather($result, text_or_none(*$1));
    free(*$1);
}
%enddef

%define LSM_OUT_STRING_LIST(NAME)
%typemap(in, numinputs=0) lsm_string_list **NAME (lsm_string_list *made = NULL) { $1 = &made; }
%typemap(argout) lsm_string_list **NAME {
    PyObject *list = PyList_New(0);
    for (uint32_t i = 0; list && i < lsm_string_list_size(*$1); i++) {
        PyObject *text = text_or_none((void *)lsm_string_list_elem_get(*$1, i));
        if (!text || PyList_Append(list, text) != 0)
            Py_CLEAR(list);
        Py_XDECREF(text);
    }
    lsm_string_list_free(*$1);
    $result = gather($result, list);
}
%enddef

%define LSM_OPTIONAL_STRING(NAME)
%enddef

%{
/* The text of a str, which lives as long as that or as *bytes; false with an exception set. */
static bool text_of(PyObject *object, const char **text, PyObject **bytes)
{
    Py_ssize_t size = 0;
    char *encoded = NULL;

    *text = NULL;
    if (object == Py_None)
        return true;
    *text = PyUnicode_AsUTF8AndSize(object, &size);
    if (!*text && PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
        PyErr_Clear();
        *bytes = PyUnicode_AsEncodedString(object, "utf-8", "surrogateescape");
        if (*bytes && PyBytes_AsStringAndSize(*bytes, &encoded, &size) == 0)
            *text = encoded;
    }
    if (*text && strlen(*text) != (size_t)size) {
        raise_refusal("a text with a NUL in it");
        *text = NULL;
    }
    return *text != NULL;
}
%}
%typemap(in) const char * (PyObject *bytes = NULL) {
    if (!text_of($input, (const char **)&$1, &bytes))
        SWIG_fail;
}
%typemap(freearg) const char * { Py_XDECREF(bytes$argnum); }
%typemap(in) char *key = const char *;
%typemap(freearg) char *key = const char *;
%typemap(in) char *value = const char *;
%typemap(freearg) char *value = const char *;

%define LSM_FLAGS_HIDDEN
%typemap(in, numinputs=0) lsm_flag flags { $1 = LSM_CLIENT_FLAG_RSVD; }
%enddef
%define LSM_FLAGS_SHOWN
%clear lsm_flag flags;
%enddef

/* --- Memory ------------------------------------------------------------------------------------ */

%define PYTHON_BUFFER(BUF, LEN, FLAGS)
%typemap(in) (BUF, LEN) (Py_buffer view, int locked = 0) {
    if (PyObject_GetBuffer($input, &view, FLAGS) != 0)
        SWIG_fail;
    locked = 1;
    $1 = view.buf;
    $2 = (uint64_t)view.len;
}
%typemap(freearg) (BUF, LEN) {
    if (locked$argnum)
        PyBuffer_Release(&view$argnum);
}
%enddef
%define LSM_BUFFER_TO_FILL(BUF, LEN)
PYTHON_BUFFER(BUF, LEN, PyBUF_WRITABLE)
%enddef
%define LSM_BUFFER_TO_READ(BUF, LEN)
PYTHON_BUFFER(BUF, LEN, PyBUF_SIMPLE)
%enddef

/* Bytes made for the call, so that none are copied: what goes in is their number. */
%typemap(in) (void *made, uint64_t size) (PyObject *bytes = NULL) {
    unsigned long long size = 0;
    if (!number_of($input, PY_SSIZE_T_MAX, &size))
        SWIG_fail;
    bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
    if (!bytes)
        SWIG_fail;
    $1 = PyBytes_AsString(bytes);
    $2 = size;
}
%typemap(argout) (void *made, uint64_t size) {
    $result = gather($result, bytes$argnum);
    bytes$argnum = NULL;
}
%typemap(freearg) (void *made, uint64_t size) { Py_XDECREF(bytes$argnum); }

/* --- Lists ------------------------------------------------------------------------------------- */

/* [(offset, length, flags), …] */
%define LSM_OUT_EXTENTS(LIST, COUNT)
%typemap(in, numinputs=0) (lsm_extent *LIST[], uint32_t *COUNT) (lsm_extent *made = NULL,
                                                                uint32_t n = 0) {
    $1 = &made;
    $2 = &n;
}
%typemap(argout) (lsm_extent *LIST[], uint32_t *COUNT) {
    PyObject *list = PyList_New((Py_ssize_t)*$2);
    for (uint32_t i = 0; list && i < *$2; i++) {
        lsm_extent *extent = &(*$1)[i];
        PyObject *item = Py_BuildValue("(KKI)", (unsigned long long)extent->offset,
                                       (unsigned long long)extent->length,
                                       (unsigned int)extent->flags);
        if (item)
            PyList_SetItem(list, (Py_ssize_t)i, item);
        else
            Py_CLEAR(list);
    }
    if (*$1)
        lsm_extent_array_free(*$1);
    $result = gather($result, list);
}
%enddef

/* [(source start, target start, blocks), …] */
%define LSM_IN_RANGES(LIST, COUNT)
%typemap(arginit) (lsm_block_range **LIST, uint32_t COUNT) { $1 = NULL; $2 = 0; }
%typemap(in) (lsm_block_range **LIST, uint32_t COUNT) {
    PyObject *ranges = PySequence_Tuple($input);
    if (!ranges)
        SWIG_fail;
    $2 = (uint32_t)PyTuple_Size(ranges);
    $1 = $2 ? lsm_block_range_record_array_alloc($2) : NULL;
    for (uint32_t i = 0; $1 && i < $2; i++) {
        unsigned long long from = 0, to = 0, blocks = 0;
        if (!PyArg_ParseTuple(PyTuple_GetItem(ranges, i), "KKK", &from, &to, &blocks))
            break;
        $1[i] = lsm_block_range_record_alloc(from, to, blocks);
    }
    Py_DECREF(ranges);
    if (PyErr_Occurred())
        SWIG_fail;
}
%typemap(freearg) (lsm_block_range **LIST, uint32_t COUNT) {
    if ($1)
        lsm_block_range_record_array_free($1, $2);
}
%enddef

/* [(volume, name), …] */
%define LSM_IN_GROUP(SOURCES, NAMES, COUNT)
%typemap(arginit) (lsm_volume *SOURCES[], const char *NAMES[], uint32_t COUNT) {
    $1 = NULL;
    $2 = NULL;
}
%typemap(in) (lsm_volume *SOURCES[], const char *NAMES[], uint32_t COUNT) (PyObject *pairs = NULL,
                                                                            PyObject *kept = NULL) {
    pairs = PySequence_Tuple($input);
    kept = PyList_New(0);
    if (!pairs || !kept)
        SWIG_fail;
    $3 = (uint32_t)PyTuple_Size(pairs);
    $1 = calloc($3 + 1, sizeof(*$1));
    $2 = calloc($3 + 1, sizeof(*$2));
    if (!$1 || !$2) {
        PyErr_NoMemory();
        SWIG_fail;
    }
    for (uint32_t i = 0; i < $3; i++) {
        PyObject *volume = NULL, *name = NULL, *bytes = NULL;
        void *record = NULL;
        if (!PyArg_ParseTuple(PyTuple_GetItem(pairs, i), "OU", &volume, &name) ||
            !text_of(name, (const char **)&$2[i], &bytes) || (bytes && PyList_Append(kept, bytes) != 0))
            SWIG_fail;
        Py_XDECREF(bytes);
        if (!SWIG_IsOK(SWIG_ConvertPtr(volume, &record, $descriptor(lsm_volume *), 0)))
            SWIG_exception_fail(SWIG_TypeError, "Volume expected");
        $1[i] = record;
    }
}
%typemap(freearg) (lsm_volume *SOURCES[], const char *NAMES[], uint32_t COUNT) {
    free($1);
    free($2);
    Py_XDECREF(pairs$argnum);
    Py_XDECREF(kept$argnum);
}
%enddef
