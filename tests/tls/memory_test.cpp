// No memory: whichever allocation fails, of ours or of OpenSSL's, is an error or makes no
// difference; nothing crashes, hangs or is left behind.
#include <cstdlib>
#include <new>
#include <polyio/base/sanitizers.hpp>

#include "fixture.hpp"

namespace {

// How many allocations succeed before one fails; negative: none fails.
thread_local long until_failure = -1;

bool fails_now() noexcept {
  if (until_failure < 0) return false;
  return until_failure-- == 0;
}

void* c_allocate(std::size_t size, const char*, int) {
  return fails_now() ? nullptr : std::malloc(size);
}
void* c_reallocate(void* old, std::size_t size, const char*, int) {
  return fails_now() ? nullptr : std::realloc(old, size);
}
void c_free(void* old, const char*, int) { std::free(old); }

// Before OpenSSL has allocated anything.
[[maybe_unused]] const int set = CRYPTO_set_mem_functions(c_allocate, c_reallocate, c_free);

}  // namespace

// Not inline: g++ would take the two for another pair than they are. ThreadSanitizer has its own,
// and OpenSSL's allocations alone fail there.
#if !POLYIO_TSAN
[[gnu::noinline]] void* operator new(std::size_t size) {
  void* const memory = fails_now() ? nullptr : std::malloc(size);
  if (!memory) throw std::bad_alloc();
  return memory;
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
// NOLINTNEXTLINE(clang-analyzer-cplusplus.NewDelete): it is what frees it
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
#endif

namespace polyio::tls_test {
namespace {

class MemoryTest : public TlsTest {};
INSTANTIATE_TEST_SUITE_P(One, MemoryTest, testing::Values("poll"), test::model_name);

TEST_P(MemoryTest, AnyAllocationMayFail) {
  ASSERT_EQ(set, 1);
  const auto server = server_context();
  const auto client = client_context();
  bool failed_somewhere = false;
  for (long at = 0, whole = 0; whole < 3; at += 1 + at / 50) {
    Pair pair;
    bool said = false;
    auto body = [&](TaskGroup&) -> Task<> {
      co_await join(pair);
      until_failure = at;
      try {
        co_await shake(pair, server, client);
        if (pair.client && pair.server) {
          auto sent = co_await pair.client.send_all("some words");
          auto got = co_await pair.server.receive();
          said = sent && got && got->text() == "some words";
        }
      } catch (const std::bad_alloc&) {  // NOLINT(bugprone-empty-catch): as good as an error
      }
      const bool untouched = until_failure >= 0;
      until_failure = -1;
      failed_somewhere |= !said;
      if (untouched) EXPECT_TRUE(said);
      whole += untouched;
      pair.client.close();
      pair.server.close();
    };
    run(body);
    ASSERT_LT(at, 1'000'000);
  }
  EXPECT_TRUE(failed_somewhere);
}

}  // namespace
}  // namespace polyio::tls_test
