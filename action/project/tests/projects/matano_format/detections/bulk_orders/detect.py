from .helper import limit


def detect(r):
    return r.deepget("shop.cents", 0) > limit()
