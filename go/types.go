// SPDX-License-Identifier: LGPL-2.1-or-later

package replicant

import (
	"fmt"
	"math"
	"runtime"
	"time"

	"github.com/libreplicant/libreplicant/go/internal/creplicant"
)

// A ReplicationType is one of the four ways to replicate a volume.
type ReplicationType int32

const (
	// Clone shares data with its source and is made at once, at any size.
	Clone ReplicationType = creplicant.VOLUME_REPLICATE_CLONE
	// Copy shares nothing; a job makes it, of the instant of the call.
	Copy ReplicationType = creplicant.VOLUME_REPLICATE_COPY
	// MirrorSync has every acknowledged write of its source.
	MirrorSync ReplicationType = creplicant.VOLUME_REPLICATE_MIRROR_SYNC
	// MirrorAsync is always one instant of its source, some time behind.
	MirrorAsync ReplicationType = creplicant.VOLUME_REPLICATE_MIRROR_ASYNC
)

func (t ReplicationType) String() string {
	return named("ReplicationType", int64(t), map[int64]string{
		int64(Clone): "clone", int64(Copy): "copy",
		int64(MirrorSync): "sync mirror", int64(MirrorAsync): "async mirror",
	})
}

// A JobState is where a job is in its life.
type JobState int32

const (
	JobUnknown   JobState = creplicant.JOB_STATE_UNKNOWN
	JobQueued    JobState = creplicant.JOB_STATE_QUEUED
	JobRunning   JobState = creplicant.JOB_STATE_RUNNING
	JobPaused    JobState = creplicant.JOB_STATE_PAUSED
	JobDone      JobState = creplicant.JOB_STATE_DONE
	JobFailed    JobState = creplicant.JOB_STATE_FAILED
	JobCancelled JobState = creplicant.JOB_STATE_CANCELLED
)

// Ended tells whether the job is over: done, failed or cancelled.
func (s JobState) Ended() bool { return s == JobDone || s == JobFailed || s == JobCancelled }

func (s JobState) String() string {
	return named("JobState", int64(s), map[int64]string{
		int64(JobUnknown): "unknown", int64(JobQueued): "queued", int64(JobRunning): "running",
		int64(JobPaused): "paused", int64(JobDone): "done", int64(JobFailed): "failed",
		int64(JobCancelled): "cancelled",
	})
}

// A JobKind is what a job does.
type JobKind int32

const (
	JobKindUnknown JobKind = creplicant.JOB_KIND_UNKNOWN
	JobCopy        JobKind = creplicant.JOB_KIND_COPY
	JobInitial     JobKind = creplicant.JOB_KIND_MIRROR_INITIAL
	JobResync      JobKind = creplicant.JOB_KIND_RESYNC
	JobShip        JobKind = creplicant.JOB_KIND_SHIP
	JobFlatten     JobKind = creplicant.JOB_KIND_FLATTEN
	JobRange       JobKind = creplicant.JOB_KIND_RANGE
	JobDelete      JobKind = creplicant.JOB_KIND_DELETE
	JobCheck       JobKind = creplicant.JOB_KIND_CHECK
)

func (k JobKind) String() string {
	return named("JobKind", int64(k), map[int64]string{
		int64(JobKindUnknown): "unknown", int64(JobCopy): "copy", int64(JobInitial): "mirror's first copy",
		int64(JobResync): "resync", int64(JobShip): "ship", int64(JobFlatten): "flatten",
		int64(JobRange): "range", int64(JobDelete): "delete",
	})
}

// A ReplicationState is how a mirror's two sides stand to each other.
type ReplicationState int32

const (
	ReplicationUnknown      ReplicationState = creplicant.REPLICATION_STATE_UNKNOWN
	ReplicationInitializing ReplicationState = creplicant.REPLICATION_STATE_INITIALIZING
	ReplicationInSync       ReplicationState = creplicant.REPLICATION_STATE_IN_SYNC
	ReplicationDegraded     ReplicationState = creplicant.REPLICATION_STATE_DEGRADED
	ReplicationResyncing    ReplicationState = creplicant.REPLICATION_STATE_RESYNCING
	ReplicationPaused       ReplicationState = creplicant.REPLICATION_STATE_PAUSED
	ReplicationSplit        ReplicationState = creplicant.REPLICATION_STATE_SPLIT
	ReplicationBroken       ReplicationState = creplicant.REPLICATION_STATE_BROKEN
)

func (s ReplicationState) String() string {
	return named("ReplicationState", int64(s), map[int64]string{
		int64(ReplicationUnknown): "unknown", int64(ReplicationInitializing): "initializing",
		int64(ReplicationInSync): "in sync", int64(ReplicationDegraded): "degraded",
		int64(ReplicationResyncing): "resyncing", int64(ReplicationPaused): "paused",
		int64(ReplicationSplit): "split", int64(ReplicationBroken): "broken",
	})
}

// A Provision is how a volume takes space from its pool.
type Provision int32

const (
	// ProvisionDefault is what the backend prefers, and what 0 stands for in options.
	ProvisionDefault Provision = creplicant.VOLUME_PROVISION_DEFAULT
	// ProvisionThin takes space as it is written.
	ProvisionThin Provision = creplicant.VOLUME_PROVISION_THIN
	// ProvisionFull reserves all of it at once.
	ProvisionFull Provision = creplicant.VOLUME_PROVISION_FULL
	// ProvisionUnknown is shown where the backend does not tell.
	ProvisionUnknown Provision = creplicant.VOLUME_PROVISION_UNKNOWN
)

func (p Provision) String() string {
	return named("Provision", int64(p), map[int64]string{
		int64(ProvisionUnknown): "unknown", int64(ProvisionThin): "thin",
		int64(ProvisionFull): "full", int64(ProvisionDefault): "default",
	})
}

// A VerifyMode is what a copy does to be sure of itself.
type VerifyMode int32

const (
	// VerifyNone trusts the storage.
	VerifyNone VerifyMode = creplicant.VERIFY_NONE
	// VerifyReadBack reads the target again, past the cache, and compares.
	VerifyReadBack VerifyMode = creplicant.VERIFY_READ_BACK
)

// A TargetErrorPolicy is what becomes of a write when a synchronous mirror's target cannot take it.
type TargetErrorPolicy int32

const (
	// Degrade lets the write succeed; the replication is degraded.
	Degrade TargetErrorPolicy = creplicant.TARGET_ERROR_DEGRADE
	// Fail lets the write fail.
	Fail TargetErrorPolicy = creplicant.TARGET_ERROR_FAIL
)

// A SystemStatus is a set of bits.
type SystemStatus uint32

const (
	SystemUnknown           SystemStatus = creplicant.SYSTEM_STATUS_UNKNOWN
	SystemOK                SystemStatus = creplicant.SYSTEM_STATUS_OK
	SystemError             SystemStatus = creplicant.SYSTEM_STATUS_ERROR
	SystemDegraded          SystemStatus = creplicant.SYSTEM_STATUS_DEGRADED
	SystemPredictiveFailure SystemStatus = creplicant.SYSTEM_STATUS_PREDICTIVE_FAILURE
	SystemOther             SystemStatus = creplicant.SYSTEM_STATUS_OTHER
)

// A PoolStatus is a set of bits.
type PoolStatus uint64

const (
	PoolUnknown        PoolStatus = creplicant.POOL_STATUS_UNKNOWN
	PoolOK             PoolStatus = creplicant.POOL_STATUS_OK
	PoolOther          PoolStatus = creplicant.POOL_STATUS_OTHER
	PoolDegraded       PoolStatus = creplicant.POOL_STATUS_DEGRADED
	PoolError          PoolStatus = creplicant.POOL_STATUS_ERROR
	PoolStopped        PoolStatus = creplicant.POOL_STATUS_STOPPED
	PoolReconstructing PoolStatus = creplicant.POOL_STATUS_RECONSTRUCTING
	PoolVerifying      PoolStatus = creplicant.POOL_STATUS_VERIFYING
	PoolInitializing   PoolStatus = creplicant.POOL_STATUS_INITIALIZING
	PoolGrowing        PoolStatus = creplicant.POOL_STATUS_GROWING
)

// A PoolElementType is a set of bits: what can be made in a pool.
type PoolElementType uint64

const (
	ElementPool           PoolElementType = creplicant.POOL_ELEMENT_TYPE_POOL
	ElementVolume         PoolElementType = creplicant.POOL_ELEMENT_TYPE_VOLUME
	ElementFS             PoolElementType = creplicant.POOL_ELEMENT_TYPE_FS
	ElementDelta          PoolElementType = creplicant.POOL_ELEMENT_TYPE_DELTA
	ElementVolumeFull     PoolElementType = creplicant.POOL_ELEMENT_TYPE_VOLUME_FULL
	ElementVolumeThin     PoolElementType = creplicant.POOL_ELEMENT_TYPE_VOLUME_THIN
	ElementSystemReserved PoolElementType = creplicant.POOL_ELEMENT_TYPE_SYS_RESERVED
)

// A PoolUnsupported is a set of bits: what cannot be done to the volumes in a pool.
type PoolUnsupported uint64

const (
	UnsupportedGrow   PoolUnsupported = creplicant.POOL_UNSUPPORTED_VOLUME_GROW
	UnsupportedShrink PoolUnsupported = creplicant.POOL_UNSUPPORTED_VOLUME_SHRINK
)

// A Search selects what a list returns: what has this value for this key.
type Search struct{ Key, Value string }

// By is a Search. Pools have the keys "id" and "system_id"; volumes those and "pool_id", "name" and
// "parent_id"; jobs "id", "state", "kind", "volume_id" and "key"; replications "id", "type",
// "state", "volume_id", "source_volume_id", "target_volume_id" and "group_id". The value of a key
// that is a number is that number, in decimal.
func By(key string, value any) Search {
	switch v := value.(type) {
	case ReplicationType:
		value = int32(v)
	case JobState:
		value = int32(v)
	case JobKind:
		value = int32(v)
	case ReplicationState:
		value = int32(v)
	}
	return Search{key, fmt.Sprint(value)}
}

// listed calls list once for each search, or once for everything, and keeps what all have found.
func listed[T any](searches []Search, id func(T) string, list func(Search) ([]T, error)) ([]T, error) {
	if len(searches) == 0 {
		return list(Search{})
	}
	found, err := list(searches[0])
	for _, search := range searches[1:] {
		if err != nil {
			return nil, err
		}
		var more []T
		more, err = list(search)
		too := make(map[string]bool, len(more))
		for _, t := range more {
			too[id(t)] = true
		}
		both := found[:0]
		for _, t := range found {
			if too[id(t)] {
				both = append(both, t)
			}
		}
		found = both
	}
	return found, err
}

// record keeps a C record for as long as something in Go refers to it.
type record[H ~uintptr] struct{ handle H }

func keep[H ~uintptr](handle H, free func(H) int) *record[H] {
	r := &record[H]{handle}
	runtime.SetFinalizer(r, func(r *record[H]) { free(r.handle) })
	return r
}

// get is the record's address, good until runtime.KeepAlive(r). None is none: C refuses it.
func (r *record[H]) get() H {
	if r == nil {
		return 0
	}
	return r.handle
}

// signed is C's size as Go counts: signed, and never beyond the largest.
func signed(n uint64) int64 {
	return int64(min(n, math.MaxInt64))
}

// unsigned is Go's size as C counts.
func unsigned(what string, n int64) (uint64, error) {
	if n < 0 {
		return 0, invalid("%s is negative: %d", what, n)
	}
	return uint64(n), nil
}

// instant is the zero time for 0.
func instant(ms uint64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(signed(ms))
}

// duration saturates.
func duration(ms uint64) time.Duration {
	return time.Duration(min(ms, math.MaxInt64/uint64(time.Millisecond))) * time.Millisecond
}

// milliseconds rounds up, so that a short time does not become none, and saturates.
func milliseconds(d time.Duration) uint32 {
	ms := (max(d, 0) + time.Millisecond - 1) / time.Millisecond
	return uint32(min(uint64(ms), math.MaxUint32))
}

func named(kind string, value int64, names map[int64]string) string {
	if text, ok := names[value]; ok {
		return text
	}
	return fmt.Sprintf("%s(%d)", kind, value)
}

// each makes one thing of each record.
func each[H, T any](records []H, make func(H) T) []T {
	var all []T
	for _, r := range records {
		all = append(all, make(r))
	}
	return all
}
