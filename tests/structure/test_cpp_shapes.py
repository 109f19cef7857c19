"""Gives scripts/cpp_shapes.py pieces of C++, and sees which functions and members it finds."""
import sys
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "scripts"))
import cpp_shapes  # noqa: E402


class Shapes(unittest.TestCase):
    """What scripts/cpp_shapes.py sees in C++ text: functions, and members without a definition."""

    # As server/waiting_room once had it: take_place_locked() is defined, take_place() is not.
    WAITING_ROOM = """
        class WaitingRoom {
         public:
          explicit WaitingRoom(const Limits& limits) noexcept
              : limits_(limits), places_{limits.places} {}
          Result<bool> enter(Stream& stream);
          std::size_t waiting() const noexcept { return line_.size(); }

         private:
          struct Waiter {
            os::UniqueFd socket;
            TimePoint since{};
          };
          bool take_place() noexcept;
          bool take_place_locked() noexcept;
          void next() noexcept;

          Limits limits_;
          std::function<void(os::UniqueFd)> serve_;
        };
    """
    SOURCE = """
        namespace polyio::server {
        namespace {
        bool take_place() { return true; }
        }
        Result<bool> WaitingRoom::enter(Stream& stream) {
          if (take_place_locked()) { return true; }
          auto later = [this] { next(); };
          return false;
        }
        bool WaitingRoom::take_place_locked() noexcept { return taken_ < places_; }
        void WaitingRoom::next() noexcept {}
        }
    """
    # Each is whole: nothing is declared that is not defined.
    WHOLE = """
        struct A { A(); ~A(); A(const A&) = delete; A& operator=(A&&); };  A::A() : a_{1}, b_(2) {}
            A::~A() = default; A& A::operator=(A&& other) { return *this; }
        struct A { explicit operator bool() const; bool operator()(int) const; bool operator<(A); };
            A::operator bool() const { return a; } bool A::operator()(int) const { return b; }
            bool A::operator<(A other) { return a < other.a; }
        struct A { virtual void f() = 0; virtual int g(int = 3) const = 0; };
        template <class K, class T = int> class A { void f(); }; template <class K, class T>
            void A<K, T>::f() {}
        struct A { struct B; }; struct A::B { void f(); }; void A::B::f() {}
        struct A { [[nodiscard]] Result<> f(Deadline = never); }; Result<> A::f(Deadline until) {}
        struct A { void (*make)(void*) = nullptr; std::function<void(int)> on_; };
        struct A { friend void f(A&); using F = int(int); };
        struct A { int a_ = f(3); std::atomic<int> b_{0}; alignas(64) int c_[4]; };
        struct A { std::map<int, std::vector<int>> f(); }; std::map<int, std::vector<int>> A::f() {}
        struct A { ~A() requires std::same_as<K, L> { x(); } ~A() = default; };
        struct A { enum class B { one, two }; B b() const; }; A::B A::b() const { return b_; }
        class [[nodiscard]] A final : public B<int()> { void f(); }; void A::f() {}
        void f(int); class A; extern template class A<int>; static_assert(sizeof(A) == 40);
        MACRO(A, B) namespace cereal { struct C { void f(); }; void C::f() {} }
    """

    def test_a_member_that_is_defined_nowhere(self):
        functions = {"a.hpp": cpp_shapes.functions_of(self.WAITING_ROOM),
                     "a.cpp": cpp_shapes.functions_of(self.SOURCE)}
        self.assertEqual(list(cpp_shapes.undefined_members(functions)),
                         [("a.hpp", 14, "WaitingRoom::take_place")])

    def test_what_is_whole(self):
        for text in self.WHOLE.strip().replace("\n            ", " ").splitlines():
            functions = {"a.cpp": cpp_shapes.functions_of(text)}
            self.assertEqual(list(cpp_shapes.undefined_members(functions)), [], text)

    def test_lengths(self):
        found = cpp_shapes.functions_of(self.SOURCE)
        lengths = [(one.owner, one.name, one.lines) for one in found]
        self.assertEqual(lengths, [("", "take_place", 1), ("WaitingRoom", "enter", 5),
                                   ("WaitingRoom", "take_place_locked", 1),
                                   ("WaitingRoom", "next", 1)])


if __name__ == "__main__":
    unittest.main()
