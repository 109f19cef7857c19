#include <sys/random.h>
#include <sys/shm.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <polyio/ipc/shared_memory.hpp>
#include <polyio/linux/process_id.hpp>
#include <string>

#include "name_lock.hpp"
#include "segment_header.hpp"

namespace polyio::ipc {
namespace {

constexpr auto longest_opening = std::chrono::seconds(10);
constexpr key_t key_of_ours = 0x706f0000;  // and 16 bits drawn at random
constexpr key_t key_mask = 0x7fff0000;

bool is_ours(const shmid_ds& segment) noexcept {
  const uid_t user = ::geteuid();
  return segment.shm_perm.uid == user && segment.shm_perm.cuid == user &&
         (segment.shm_perm.mode & 0777) == 0600;
}

// Calls `visit(number, segment)` for each of the system's segments that this user made, until it
// answers true.
template <class Visit>
void for_each_segment(Visit visit) {
  shm_info info{};
  const int last = ::shmctl(0, SHM_INFO, reinterpret_cast<shmid_ds*>(&info));
  for (int index = 0; index <= last; ++index) {
    shmid_ds segment{};
    const int number = ::shmctl(index, SHM_STAT, &segment);
    if (number >= 0 && is_ours(segment) && visit(number, segment)) return;
  }
}

// Whether the maker was killed before it could mark the segment: no process has it or will.
bool is_left_over(const shmid_ds& segment) noexcept {
  if ((segment.shm_perm.__key & key_mask) != key_of_ours || segment.shm_nattch > 0) return false;
  if (segment.shm_cpid <= 0) return false;  // of another pid namespace: it may be alive
  return !os::is_running(segment.shm_cpid);
}

bool can_be_name(std::string_view name) noexcept {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  return !name.empty() && name.size() <= SharedMemory::max_name &&
         std::ranges::all_of(name, allowed);
}

// An attached segment; the destructor detaches it.
class Attachment {
 public:
  Attachment() = default;
  explicit Attachment(void* start) noexcept : start_(start) {}
  Attachment(Attachment&& other) noexcept : start_(std::exchange(other.start_, nullptr)) {}
  Attachment& operator=(Attachment&&) = delete;
  ~Attachment() {
    if (start_) ::shmdt(start_);
  }
  static Result<Attachment> of(int number, int flags = 0) noexcept {
    void* const start = ::shmat(number, nullptr, flags);
    // NOLINTNEXTLINE(performance-no-int-to-ptr): shmat(2)'s word for an error
    if (start == reinterpret_cast<void*>(-1)) return fail(errno);
    return Attachment(start);
  }
  SegmentHeader& header() const noexcept { return *static_cast<SegmentHeader*>(start_); }

 private:
  void* start_ = nullptr;
};

bool is_ready(const SegmentHeader& header) noexcept {
  return std::atomic_ref(const_cast<std::uint32_t&>(header.ready)).load(std::memory_order_acquire);
}

}  // namespace

struct SharedMemory::Segment {
  Segment(Attachment attachment, const SegmentId& name) noexcept
      : attached(std::move(attachment)), id(name) {}

  static Result<SharedMemory> make(std::string_view name, std::size_t size, const Layout& layout,
                                   SegmentMaker maker);
  // None: no such name.
  static Result<SharedMemory> find(std::string_view name, std::size_t size, const Layout& layout);
  static void sweep() {
    for_each_segment([](int number, const shmid_ds& segment) {
      if (is_left_over(segment)) (void)::shmctl(number, IPC_RMID, nullptr);
      return false;
    });
  }

  Attachment attached;
  SegmentId id;
};

Result<SharedMemory> SharedMemory::Segment::make(std::string_view name, std::size_t size,
                                                 const Layout& layout, SegmentMaker maker) {
  if (size == 0 || size > SIZE_MAX / 2) return fail(EINVAL);
  SegmentHeader header;
  header.magic = SegmentHeader::magic_of_ours;
  header.version = SegmentHeader::version_of_ours;
  header.header_size = sizeof header;
  header.size = size;
  header.layout = layout;
  header.name_hash = hash_of(name);
  name.copy(header.name.data(), header.name.size());

  int number = -1;
  do {
    if (::getrandom(&header.token, sizeof header.token, 0) != sizeof header.token) {
      return fail(errno);
    }
    const auto drawn = static_cast<key_t>(header.token[0] & 0xffff);
    number = ::shmget(key_of_ours | drawn, sizeof header + size, IPC_CREAT | IPC_EXCL | 0600);
  } while (number < 0 && errno == EEXIST);
  if (number < 0) return fail(errno);
  auto attached = Attachment::of(number);
  const int error = errno;
  (void)::shmctl(number, IPC_RMID, nullptr);
  if (!attached) return fail(error);
  header.checksum = header.sum();
  SegmentHeader& there = attached->header();
  there = header;
  if (maker.make) maker.make(&there + 1, maker.context);
  const SegmentId id{header.token, size, number};
  SharedMemory made(std::make_shared<Segment>(std::move(*attached), id));
  std::atomic_ref(there.ready).store(1, std::memory_order_release);
  return made;
}

Result<SharedMemory> SharedMemory::Segment::find(std::string_view name, std::size_t size,
                                                 const Layout& layout) {
  Result<SharedMemory> found;
  for_each_segment([&](int number, const shmid_ds& segment) {
    if (!(segment.shm_perm.mode & SHM_DEST) || segment.shm_segsz <= sizeof(SegmentHeader)) {
      return false;
    }
    auto attached = Attachment::of(number);
    if (!attached) return false;  // its last user has gone meanwhile
    const SegmentHeader header = attached->header();
    // Not ready although this process has the name's lock: its maker was killed.
    if (!header.is_about(name) || !is_ready(attached->header())) return false;
    if (auto checked = header.check(segment.shm_segsz, size, layout); !checked) {
      found = fail(checked.error());
    } else {
      const SegmentId id{header.token, size, number};
      found = SharedMemory(std::make_shared<Segment>(std::move(*attached), id));
    }
    return true;
  });
  return found;
}

Result<SharedMemory> SharedMemory::create(std::size_t size, const Layout& layout,
                                          SegmentMaker maker) {
  Segment::sweep();
  return Segment::make({}, size, layout, maker);
}

Result<SharedMemory> SharedMemory::open(std::string_view name, std::size_t size,
                                        const Layout& layout, SegmentMaker maker) {
  if (!can_be_name(name)) return fail(EINVAL);
  auto lock = NameLock::take(name, deadline_after(monotonic_now(), longest_opening));
  if (!lock) return fail(lock.error());
  auto found = Segment::find(name, size, layout);
  if (!found || *found) return found;
  Segment::sweep();
  return Segment::make(name, size, layout, maker);
}

Result<SharedMemory> SharedMemory::attach(const SegmentId& id, const Layout& layout) {
  shmid_ds segment{};
  if (::shmctl(id.number, IPC_STAT, &segment) != 0) {
    return fail(errno == EACCES ? EACCES : ENOENT);
  }
  if (!is_ours(segment) || segment.shm_segsz <= sizeof(SegmentHeader)) return fail(ENOENT);
  auto attached = Attachment::of(id.number);
  if (!attached) return fail(attached.error() == errno_code(ENOMEM) ? ENOMEM : ENOENT);
  const SegmentHeader header = attached->header();
  if (header.token != id.token) return fail(ENOENT);  // the number is another's now
  if (auto checked = header.check(segment.shm_segsz, id.size, layout); !checked) {
    return fail(checked.error());
  }
  if (!is_ready(attached->header())) return fail(ENOENT);
  return SharedMemory(std::make_shared<Segment>(std::move(*attached), id));
}

std::system_error SharedMemory::explain(std::error_code code, std::string_view name) {
  std::string text = "polyio: shared memory";
  if (!name.empty()) text.append(" \"").append(name).append("\"");
  switch (code.value()) {
    case EEXIST: text += ": the name is in use with another type, size or version"; break;
    case EBADMSG: text += ": what is there is damaged; end the processes that have it"; break;
    case EACCES: text += ": another user's process keeps the name's lock"; break;
    case EBUSY: text += ": others are opening it, for too long; ipcs -s -p shows by whom"; break;
    case ENOSPC:
      text += ": the system allows no more of it (kernel.shmmni, kernel.shmall, kernel.sem)";
      break;
    case EINVAL:
      text += ": a name has 1 to 63 letters, digits, '.', '_' or '-', a size is 1 to kernel.shmmax";
      break;
    default: break;
  }
  return {code, text};
}

SharedMemory::SharedMemory(std::size_t size) {
  auto made = create(size);
  if (!made) throw explain(made.error(), {});
  *this = std::move(*made);
}

SharedMemory::SharedMemory(std::string_view name, std::size_t size) {
  auto opened = open(name, size);
  if (!opened) throw explain(opened.error(), name);
  *this = std::move(*opened);
}

void* SharedMemory::data() const noexcept {
  return segment_ ? &segment_->attached.header() + 1 : nullptr;
}

std::size_t SharedMemory::size() const noexcept { return segment_ ? segment_->id.size : 0; }

SegmentId SharedMemory::id() const noexcept { return segment_ ? segment_->id : SegmentId{}; }

void SharedMemory::save_id(serial::Writer& writer, const SegmentId& id) {
  writer(id.number, id.size, id.token);
}

SharedMemory SharedMemory::receive(serial::Reader& reader, const Layout& layout) {
  SegmentId id;
  reader(id.number, id.size, id.token);
  auto attached = attach(id, layout);
  if (attached) return std::move(*attached);
  throw cereal::Exception(explain(attached.error(), {}).what());
}

}  // namespace polyio::ipc
