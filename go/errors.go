// SPDX-License-Identifier: LGPL-2.1-or-later

package replicant

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"syscall"

	"github.com/libreplicant/libreplicant/go/internal/creplicant"
)

// What went wrong, by meaning: for errors.Is. Several numbers of the library can share one.
var (
	ErrNotFound        = errors.New("not found")          // a volume, pool, job, replication, system; also fs.ErrNotExist
	ErrNameConflict    = errors.New("name is taken")      // a name, or an idempotency key; also fs.ErrExist
	ErrNoSpace         = errors.New("not enough space")   // it does not fit; nothing was made
	ErrNotSupported    = errors.New("not supported")      // this backend cannot; also errors.ErrUnsupported
	ErrHasDependents   = errors.New("has dependents")     // a clone, a mirror or a job depends on it
	ErrInUse           = errors.New("in use")             // it is open
	ErrInvalidArgument = errors.New("invalid argument")   // outside what the call allows
	ErrNoChange        = errors.New("already so")         // nothing to do
	ErrBusy            = errors.New("busy")               // owned elsewhere, or a writer is open
	ErrState           = errors.New("not in this state")  // the verb does not fit the state
	ErrCancelled       = errors.New("cancelled")          // somebody cancelled it
	ErrReadOnly        = errors.New("read-only")          // a mirror's target, a disabled volume, a read-only handle
	ErrDamaged         = errors.New("damaged")            // a file or a row that cannot be believed
	ErrIO              = errors.New("input/output error") // reading or writing storage failed
	ErrTimeout         = errors.New("timed out")          // the time given was up; also os.ErrDeadlineExceeded
	ErrPermission      = errors.New("permission denied")  // also fs.ErrPermission
	ErrUnavailable     = errors.New("unavailable")        // the other side is not there, or the way to it is broken
	ErrOutcomeUnknown  = errors.New("outcome unknown")    // the answer was lost: ask again with the same key
)

// An ErrorCode is the number of what went wrong.
type ErrorCode int

// The numbers. Up to 999 they are libStorageMgmt's.
const (
	CodeLibBug                 ErrorCode = creplicant.ERR_LIB_BUG
	CodePluginBug              ErrorCode = creplicant.ERR_PLUGIN_BUG
	CodeTimeout                ErrorCode = creplicant.ERR_TIMEOUT
	CodeDaemonNotRunning       ErrorCode = creplicant.ERR_DAEMON_NOT_RUNNING
	CodePermissionDenied       ErrorCode = creplicant.ERR_PERMISSION_DENIED
	CodeNameConflict           ErrorCode = creplicant.ERR_NAME_CONFLICT
	CodeExistsInitiator        ErrorCode = creplicant.ERR_EXISTS_INITIATOR
	CodeInvalidArgument        ErrorCode = creplicant.ERR_INVALID_ARGUMENT
	CodeNoStateChange          ErrorCode = creplicant.ERR_NO_STATE_CHANGE
	CodeNetworkConnRefused     ErrorCode = creplicant.ERR_NETWORK_CONNREFUSED
	CodeNetworkHostDown        ErrorCode = creplicant.ERR_NETWORK_HOSTDOWN
	CodeNetworkError           ErrorCode = creplicant.ERR_NETWORK_ERROR
	CodeNoMemory               ErrorCode = creplicant.ERR_NO_MEMORY
	CodeNoSupport              ErrorCode = creplicant.ERR_NO_SUPPORT
	CodeIsMasked               ErrorCode = creplicant.ERR_IS_MASKED
	CodeHasChildDependency     ErrorCode = creplicant.ERR_HAS_CHILD_DEPENDENCY
	CodeNotFoundAccessGroup    ErrorCode = creplicant.ERR_NOT_FOUND_ACCESS_GROUP
	CodeNotFoundFS             ErrorCode = creplicant.ERR_NOT_FOUND_FS
	CodeNotFoundJob            ErrorCode = creplicant.ERR_NOT_FOUND_JOB
	CodeNotFoundPool           ErrorCode = creplicant.ERR_NOT_FOUND_POOL
	CodeNotFoundFSSnapshot     ErrorCode = creplicant.ERR_NOT_FOUND_FS_SS
	CodeNotFoundVolume         ErrorCode = creplicant.ERR_NOT_FOUND_VOLUME
	CodeNotFoundNFSExport      ErrorCode = creplicant.ERR_NOT_FOUND_NFS_EXPORT
	CodeNotFoundGeneric        ErrorCode = creplicant.ERR_NOT_FOUND_GENERIC
	CodeNotFoundSystem         ErrorCode = creplicant.ERR_NOT_FOUND_SYSTEM
	CodeNotFoundDisk           ErrorCode = creplicant.ERR_NOT_FOUND_DISK
	CodeNotLicensed            ErrorCode = creplicant.ERR_NOT_LICENSED
	CodeNoSupportOnlineChange  ErrorCode = creplicant.ERR_NO_SUPPORT_ONLINE_CHANGE
	CodeNoSupportOfflineChange ErrorCode = creplicant.ERR_NO_SUPPORT_OFFLINE_CHANGE
	CodePluginAuthFailed       ErrorCode = creplicant.ERR_PLUGIN_AUTH_FAILED
	CodePluginIPCFail          ErrorCode = creplicant.ERR_PLUGIN_IPC_FAIL
	CodePluginSocketPermission ErrorCode = creplicant.ERR_PLUGIN_SOCKET_PERMISSION
	CodePluginNotExist         ErrorCode = creplicant.ERR_PLUGIN_NOT_EXIST
	CodeNotEnoughSpace         ErrorCode = creplicant.ERR_NOT_ENOUGH_SPACE
	CodeTransportCommunication ErrorCode = creplicant.ERR_TRANSPORT_COMMUNICATION
	CodeTransportSerialization ErrorCode = creplicant.ERR_TRANSPORT_SERIALIZATION
	CodeTransportInvalidArg    ErrorCode = creplicant.ERR_TRANSPORT_INVALID_ARG
	CodeLastInitInAccessGroup  ErrorCode = creplicant.ERR_LAST_INIT_IN_ACCESS_GROUP
	CodeUnsupportedSearchKey   ErrorCode = creplicant.ERR_UNSUPPORTED_SEARCH_KEY
	CodeEmptyAccessGroup       ErrorCode = creplicant.ERR_EMPTY_ACCESS_GROUP
	CodePoolNotReady           ErrorCode = creplicant.ERR_POOL_NOT_READY
	CodeDiskNotFree            ErrorCode = creplicant.ERR_DISK_NOT_FREE
	CodeIO                     ErrorCode = creplicant.ERR_IO
	CodeDamaged                ErrorCode = creplicant.ERR_DAMAGED
	CodeBusy                   ErrorCode = creplicant.ERR_BUSY
	CodeState                  ErrorCode = creplicant.ERR_STATE
	CodeCancelled              ErrorCode = creplicant.ERR_CANCELLED
	CodeReadOnly               ErrorCode = creplicant.ERR_READ_ONLY
	CodeNotFoundReplication    ErrorCode = creplicant.ERR_NOT_FOUND_REPLICATION
	CodeOutcomeUnknown         ErrorCode = creplicant.ERR_OUTCOME_UNKNOWN
)

var meanings = map[ErrorCode]error{
	CodeTimeout:                ErrTimeout,
	CodeDaemonNotRunning:       ErrUnavailable,
	CodePermissionDenied:       ErrPermission,
	CodeNameConflict:           ErrNameConflict,
	CodeExistsInitiator:        ErrNameConflict,
	CodeInvalidArgument:        ErrInvalidArgument,
	CodeNoStateChange:          ErrNoChange,
	CodeNetworkConnRefused:     ErrUnavailable,
	CodeNetworkHostDown:        ErrUnavailable,
	CodeNetworkError:           ErrUnavailable,
	CodeNoSupport:              ErrNotSupported,
	CodeIsMasked:               ErrInUse,
	CodeHasChildDependency:     ErrHasDependents,
	CodeNotFoundAccessGroup:    ErrNotFound,
	CodeNotFoundFS:             ErrNotFound,
	CodeNotFoundJob:            ErrNotFound,
	CodeNotFoundPool:           ErrNotFound,
	CodeNotFoundFSSnapshot:     ErrNotFound,
	CodeNotFoundVolume:         ErrNotFound,
	CodeNotFoundNFSExport:      ErrNotFound,
	CodeNotFoundGeneric:        ErrNotFound,
	CodeNotFoundSystem:         ErrNotFound,
	CodeNotFoundDisk:           ErrNotFound,
	CodeNotLicensed:            ErrNotSupported,
	CodeNoSupportOnlineChange:  ErrNotSupported,
	CodeNoSupportOfflineChange: ErrNotSupported,
	CodePluginAuthFailed:       ErrPermission,
	CodePluginIPCFail:          ErrUnavailable,
	CodePluginSocketPermission: ErrPermission,
	CodePluginNotExist:         ErrNotSupported,
	CodeNotEnoughSpace:         ErrNoSpace,
	CodeTransportCommunication: ErrUnavailable,
	CodeTransportSerialization: ErrUnavailable,
	CodeTransportInvalidArg:    ErrInvalidArgument,
	CodeUnsupportedSearchKey:   ErrInvalidArgument,
	CodePoolNotReady:           ErrState,
	CodeDiskNotFree:            ErrInUse,
	CodeIO:                     ErrIO,
	CodeDamaged:                ErrDamaged,
	CodeBusy:                   ErrBusy,
	CodeState:                  ErrState,
	CodeCancelled:              ErrCancelled,
	CodeReadOnly:               ErrReadOnly,
	CodeNotFoundReplication:    ErrNotFound,
	CodeOutcomeUnknown:         ErrOutcomeUnknown,
}

// What Go's own packages call the same.
var alike = map[error]error{
	ErrNotFound:     fs.ErrNotExist,
	ErrNameConflict: fs.ErrExist,
	ErrNotSupported: errors.ErrUnsupported,
	ErrTimeout:      os.ErrDeadlineExceeded,
	ErrPermission:   fs.ErrPermission,
}

// An Error is why the library has refused or failed. errors.Is compares it with the meanings above
// and, where there is an errno, with that; errors.As gets at the rest.
//
// C: lsm_error_number_get, lsm_error_message_get, lsm_error_object_get, lsm_error_errno_get,
// lsm_error_offset_get, lsm_error_hint_get, lsm_error_retryable_get, lsm_error_exception_get,
// lsm_error_debug_get, lsm_error_free.
type Error struct {
	Code      ErrorCode
	Message   string        // one line that names the thing
	Object    string        // what it happened on: an id, a path; "" where that makes no sense
	Errno     syscall.Errno // the operating system's reason; 0: none
	Offset    int64         // where, in bytes from the volume's start; -1: nowhere
	Hint      string        // what the caller can do; "" where nothing comes to mind
	Retryable bool          // the same call, made later, can succeed
	Debug     string        // more for whoever looks into it, such as a plug-in's trace
}

func (e *Error) Error() string {
	if e.Hint != "" {
		return fmt.Sprintf("replicant: %s (%s)", e.Message, e.Hint)
	}
	return "replicant: " + e.Message
}

// Is tells whether the error has this meaning.
func (e *Error) Is(target error) bool {
	meaning := meanings[e.Code]
	return meaning != nil && (target == meaning || target == alike[meaning])
}

// Unwrap is the errno, if there is one.
func (e *Error) Unwrap() error {
	if e.Errno != 0 {
		return e.Errno
	}
	return nil
}

// A JobError is why a job has not done what it was asked for: it failed, or was cancelled.
type JobError struct {
	JobID string
	State JobState // JobFailed or JobCancelled
	Err   error    // an *Error with the reason
}

func (e *JobError) Error() string { return fmt.Sprintf("job %s %s: %v", e.JobID, e.State, e.Err) }

// Unwrap is the reason.
func (e *JobError) Unwrap() error { return e.Err }

// translated makes an *Error of an error record.
func translated(err error) error {
	if err == nil {
		return nil
	}
	c, ok := err.(*creplicant.Error)
	if !ok {
		return err
	}
	e := &Error{
		Code:      ErrorCode(c.Code),
		Message:   c.Message,
		Object:    c.Object,
		Errno:     syscall.Errno(c.Errno),
		Offset:    -1,
		Hint:      c.Hint,
		Retryable: c.Retryable,
		Debug:     c.Debug,
	}
	if c.Offset != math.MaxUint64 {
		e.Offset = signed(c.Offset)
	}
	if c.Exception != "" {
		e.Debug = c.Exception + ": " + c.Debug
	}
	return e
}

// refusal is an error that is found before the library is asked.
func refusal(code ErrorCode, object, format string, args ...any) *Error {
	return &Error{Code: code, Object: object, Offset: -1, Message: fmt.Sprintf(format, args...)}
}

func invalid(format string, args ...any) error {
	return refusal(CodeInvalidArgument, "", format, args...)
}
