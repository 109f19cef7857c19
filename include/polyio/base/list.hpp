// List: an intrusive doubly linked list. A node derives from ListNode<Tag>, sits in at most one
// list per Tag and unlinks itself when destroyed; nothing is allocated. Not thread-safe.
#pragma once

#include <polyio/base/assert.hpp>

namespace polyio {

template <class Tag>
class ListNode {
 public:
  ListNode() = default;
  ListNode(const ListNode&) = delete;
  ListNode& operator=(const ListNode&) = delete;
  ~ListNode() { unlink(); }

  bool linked() const noexcept { return next_ != nullptr; }
  void unlink() noexcept {
    if (!next_) return;
    next_->previous_ = previous_;
    previous_->next_ = next_;
    next_ = previous_ = nullptr;
  }

 private:
  template <class, class>
  friend class List;
  ListNode* next_ = nullptr;
  ListNode* previous_ = nullptr;
};

template <class T, class Tag>
class List {
  using Node = ListNode<Tag>;

 public:
  List() noexcept { head_.next_ = head_.previous_ = &head_; }
  ~List() {
    while (pop_front()) {
    }
    head_.next_ = head_.previous_ = nullptr;
  }
  List(const List&) = delete;
  List& operator=(const List&) = delete;

  bool empty() const noexcept { return head_.next_ == &head_; }
  // NOLINTNEXTLINE(clang-analyzer-cplusplus.NewDelete): it can't see that pop_front() unlinks
  T* front() const noexcept { return empty() ? nullptr : item(head_.next_); }
  T* next(const T& after) const noexcept {
    Node* node = static_cast<const Node&>(after).next_;
    return node == &head_ ? nullptr : item(node);
  }
  T* back() const noexcept { return empty() ? nullptr : item(head_.previous_); }
  T* previous(const T& before) const noexcept {
    Node* node = static_cast<const Node&>(before).previous_;
    return node == &head_ ? nullptr : item(node);
  }
  void push_back(T& value) noexcept { insert(*head_.previous_, value); }
  void push_front(T& value) noexcept { insert(head_, value); }
  void insert_after(T& before, T& value) noexcept { insert(before, value); }
  T* pop_front() noexcept {
    T* first = front();
    if (first) static_cast<Node*>(first)->unlink();
    return first;
  }
  // Moves every node of `other` to this list's end, in order.
  void splice_back(List& other) noexcept {
    if (other.empty()) return;
    Node *first = other.head_.next_, *last = other.head_.previous_;
    other.head_.next_ = other.head_.previous_ = &other.head_;
    // NOLINTNEXTLINE(clang-analyzer-core.NullDereference): no node of a circle points nowhere
    first->previous_ = head_.previous_;
    head_.previous_->next_ = first;
    last->next_ = &head_;
    head_.previous_ = last;
  }

 private:
  static T* item(Node* node) noexcept { return static_cast<T*>(node); }
  void insert(Node& after, T& value) noexcept {
    Node& node = value;
    POLYIO_ASSERT(!node.linked());
    node.next_ = after.next_;
    node.previous_ = &after;
    // NOLINTNEXTLINE(clang-analyzer-core.NullDereference): no node of a circle points nowhere
    after.next_->previous_ = &node;
    after.next_ = &node;
  }
  Node head_;
};

}  // namespace polyio
