use super::world::World;

impl World {
    pub(super) fn send_to_link(&mut self, _link: u64, _text: String, _expected: Option<()>) {}
    pub(super) fn end_link(&mut self, _link: u64) {}
    pub(super) fn send_to_listener(&mut self, _name: &str, _pipe: u64, _text: &str) {}
    pub(super) fn publish(&mut self, _name: &str, _tag: &str, _text: &str) {}
    pub(super) fn lose_pipe(&mut self, _pipe: u64) {}
}
