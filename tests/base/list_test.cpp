// List: order, splicing, and nodes that leave by themselves.
#include <gtest/gtest.h>

#include <deque>
#include <polyio/base/list.hpp>
#include <polyio/base/random.hpp>
#include <vector>

namespace polyio {
namespace {

struct FirstTag;
struct SecondTag;
struct Item : ListNode<FirstTag>, ListNode<SecondTag> {
  explicit Item(int value) : number(value) {}
  int number;
};
using First = List<Item, FirstTag>;
using Second = List<Item, SecondTag>;

template <class L>
std::vector<int> numbers(const L& list) {
  std::vector<int> all;
  for (Item* item = list.front(); item; item = list.next(*item)) all.push_back(item->number);
  return all;
}

TEST(List, FrontAndBack) {
  First list;
  EXPECT_TRUE(list.empty());
  EXPECT_EQ(list.front(), nullptr);
  EXPECT_EQ(list.pop_front(), nullptr);
  Item one(1), two(2), three(3);
  list.push_back(two);
  list.push_back(three);
  list.push_front(one);
  EXPECT_EQ(numbers(list), (std::vector{1, 2, 3}));
  EXPECT_EQ(list.pop_front(), &one);
  EXPECT_EQ(numbers(list), (std::vector{2, 3}));
}

TEST(List, ANodeLeavesWhenItIsDestroyed) {
  First list;
  Item one(1), three(3);
  list.push_back(one);
  {
    Item two(2);
    list.push_back(two);
    list.push_back(three);
    EXPECT_EQ(numbers(list), (std::vector{1, 2, 3}));
  }
  EXPECT_EQ(numbers(list), (std::vector{1, 3}));
}

TEST(List, ANodeOutlivesItsList) {
  Item one(1);
  {
    First list;
    list.push_back(one);
  }
  EXPECT_FALSE(static_cast<ListNode<FirstTag>&>(one).linked());
}

TEST(List, OneListPerTag) {
  First first;
  Second second;
  Item one(1), two(2);
  first.push_back(one);
  first.push_back(two);
  second.push_back(two);
  second.push_back(one);
  static_cast<ListNode<FirstTag>&>(one).unlink();
  EXPECT_EQ(numbers(first), std::vector{2});
  EXPECT_EQ(numbers(second), (std::vector{2, 1}));
}

TEST(List, Splice) {
  First list, other;
  list.splice_back(other);
  EXPECT_TRUE(list.empty());
  Item one(1), two(2), three(3);
  other.push_back(one);
  other.push_back(two);
  list.splice_back(other);
  EXPECT_TRUE(other.empty());
  other.push_back(three);
  list.splice_back(other);
  EXPECT_EQ(numbers(list), (std::vector{1, 2, 3}));
}

TEST(List, AgainstAModel) {
  Random random(1);
  std::deque<Item> items;
  for (int i = 0; i < 30; ++i) items.emplace_back(i);
  First list;
  std::deque<int> model;
  for (int step = 0; step < 10'000; ++step) {
    Item& item = items[random.below(items.size())];
    auto& node = static_cast<ListNode<FirstTag>&>(item);
    if (node.linked()) {
      node.unlink();
      std::erase(model, item.number);
    } else if (random.chance(1, 2)) {
      list.push_back(item);
      model.push_back(item.number);
    } else {
      list.push_front(item);
      model.push_front(item.number);
    }
    ASSERT_EQ(numbers(list), std::vector(model.begin(), model.end()));
  }
}

}  // namespace
}  // namespace polyio
